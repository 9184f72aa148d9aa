"""TRN913."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Const, Obj, Value, options_of
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule

_READS = ("item", "tolist", "numpy", "cpu")


@rule("TRN913", Severity.INFO, needs=(b".cuda(", b"cuda"))
def item_every_step(script: Script) -> Iterator[Finding]:
    """A value is fetched from the GPU in each pass of the training loop.

    `.item()` waits until the GPU has computed all that was asked of it, and the GPU then waits
    until Python asks for more. Add the values up on the GPU, and fetch the sum now and then.

    Found where the model was moved to the GPU, and nothing decides in which passes the value is
    fetched.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total = 0.0
        for x in torch.randn(20, 8, 4).cuda():
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()  # TRN913
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total = torch.zeros((), device="cuda")
        for x in torch.randn(20, 8, 4).cuda():
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.detach()

    Source: the PyTorch recipe "Performance Tuning Guide", section "Avoid unnecessary CPU-GPU
    synchronization".
    """
    for trace in script.traces:
        moved = {unwrapped(event.receiver) for event in trace.events if _to_gpu(event)}
        for event in trace.events if moved else ():
            fetches = event.kind == "method" and event.callee in _READS
            if fetches and _each_pass(trace, event) and _is_of(event.receiver, moved):
                yield _finding(event)


def _to_gpu(event: Event) -> bool:
    if event.kind != "method" or not isinstance(event.receiver, Obj):
        return False
    if event.receiver.kind != "module":
        return False
    return event.callee == "cuda" or (
        event.callee == "to" and any(_may_be_gpu(arg.value) for arg in event.args)
    )


def _may_be_gpu(value: Value) -> bool:
    for option in options_of(value):
        if isinstance(option, Const) and str(option.value).startswith("cuda"):
            return True
        if isinstance(option, Obj) and option.qualname == "torch.device" and option.args:
            return _may_be_gpu(option.args[0])
    return False


def _each_pass(trace: Trace, event: Event) -> bool:
    """Whether it happens in each pass of a loop that trains."""
    if not event.loops or event.loops[-1].kind == "comprehension":
        return False
    loop = event.loops[-1]
    if any(condition.depth >= len(event.loops) for condition in event.conditions):
        return False
    return any(one.kind == "backward" and one.loops[-1:] == (loop,) for one in trace.events)


def _is_of(value: Value, models: set[Value]) -> bool:
    """Whether a tensor is what one of some models has computed, and still on the GPU."""
    return any(
        isinstance(one, Obj) and one.args and unwrapped(one.args[0]) in models
        for one in ancestors(value, frozenset({"Tensor.cpu", "Tensor.item", "Tensor.numpy"}))
        if not (isinstance(one, Obj) and one.qualname)
    )


def _finding(event: Event) -> Finding:
    return found(
        event.site,
        f"`{event.site.text}` waits for the GPU in each pass",
        related=[(event.loops[-1].heading, "the loop")],
        hint="add up `.detach()`ed values on the GPU, and fetch the sum every so many passes",
    )
