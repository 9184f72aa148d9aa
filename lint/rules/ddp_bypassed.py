"""TRN903."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import exclusive, implied
from trainlint.lint.rule import found, rule
from trainlint.lint.training import reads

_DDP = "torch.nn.parallel.DistributedDataParallel"
# What else can bring the gradients of all processes together.
_BY_HAND = (b"all_reduce", b"_sync", b"allreduce", b"sync_grad", b"register_comm_hook", b"reduce_")


@rule("TRN903", Severity.ERROR, needs=(b"DistributedDataParallel",))
def ddp_bypassed(script: Script) -> Iterator[Finding]:
    """A training loss is computed by the module inside DistributedDataParallel, not through it.

    DistributedDataParallel prepares the exchange of gradients in its own `forward`. Where the
    wrapped module is called itself (`ddp.module(x)`, or by the name that it had before), each
    process steps along its own gradients, and the copies of the model drift apart.

    Nothing is said of passes without a gradient, of a model that may be unwrapped in this run, or
    where the script mentions anything that brings gradients together by hand.

    Bad:
        import torch
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            loss = model.module(x).square().mean()  # TRN903
            loss.backward()
            optimizer.step()
    Good:
        import torch
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.nn.parallel.DistributedDataParallel, and the PyTorch notes
    "Distributed Data Parallel", section "Internal Design".
    """
    if reads(script, *_BY_HAND):
        return
    for trace in script.traces:
        wrapped = dict(_wrapped(trace))
        if not wrapped:
            continue
        for backward in trace.events:
            if backward.kind == "backward":
                yield from _bypasses(trace, backward, wrapped)


def _wrapped(trace: Trace) -> Iterator[tuple[Value, Event]]:
    """The modules that are wrapped, and where."""
    for event in trace.events:
        made = event.result
        if event.kind == "make" and isinstance(made, Obj) and made.qualname == _DDP and made.args:
            inner = made.args[0]
            if isinstance(inner, Obj) and inner.kind == "module":
                yield inner, event


def _bypasses(trace: Trace, backward: Event, wrapped: dict[Value, Event]) -> Iterator[Finding]:
    made = set(ancestors(backward.receiver, frozenset({"Tensor.detach"})))
    forwards = [one for one in trace.events if one.kind == "forward" and one.result in made]
    if any(isinstance(one.receiver, Obj) and one.receiver.qualname == _DDP for one in forwards):
        return
    for forward in forwards:
        wrap = wrapped.get(forward.receiver)
        if wrap is None or forward.within("torch.no_grad", "torch.inference_mode") is not None:
            continue
        before = trace.events.index(wrap) < trace.events.index(forward)
        if before and implied(wrap, forward) and not exclusive(wrap, forward):
            yield _finding(forward, wrap, backward)


def _finding(forward: Event, wrap: Event, backward: Event) -> Finding:
    name = forward.receiver_text or "the module"
    return found(
        forward.site,
        f"`{name}` is called past its DistributedDataParallel: the processes never exchange these"
        " gradients",
        related=[
            (wrap.site, "here the module is wrapped"),
            (backward.site, "these gradients stay in their own process"),
        ],
        hint="call the wrapper itself",
    )
