"""TRN904."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import implied
from trainlint.lint.rule import found, rule

_DDP = "torch.nn.parallel.DistributedDataParallel"
_TYPES = ("half", "bfloat16", "double")
_MOVES = ("to", "cuda", "xpu", "type", "cpu", "half", "float", "double", "bfloat16")


@rule("TRN904", Severity.WARNING, needs=(b"DistributedDataParallel",))
def moved_after_ddp(script: Script) -> Iterator[Finding]:
    """A model is moved to the GPU, or to another type, after DistributedDataParallel wrapped it.

    DistributedDataParallel lays out its buffers for the gradients, and chooses how to exchange
    them, when it is made: by the parameters' device and type at that moment. What is changed
    afterwards does not fit them.

    Found are `.half()`, `.bfloat16()`, `.double()`, and a move to "cuda" of a model that was not
    moved before. Other moves may change nothing, and are left alone.

    Bad:
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("nccl")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
        model.cuda()  # TRN904
    Good:
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("nccl")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1).cuda())

    Source: the documentation of torch.nn.parallel.DistributedDataParallel: "You should never try
    to change your model's parameters after wrapping up your model".
    """
    for trace in script.traces:
        for event in trace.events:
            if event.kind != "method" or event.callee not in _MOVES:
                continue
            wrap = _wrapping(trace, event)
            if wrap is not None and _changes(trace, wrap, event):
                yield _finding(event, wrap)


def _wrapping(trace: Trace, event: Event) -> Event | None:
    """Where the wrapper that a method is called on, or whose module it is, was made before."""
    for one in trace.events[: trace.events.index(event)]:
        made = one.result
        if one.kind != "make" or not isinstance(made, Obj) or made.qualname != _DDP:
            continue
        inner = made.args[0] if made.args else None
        if event.receiver is made or (event.receiver is inner and inner is not None):
            return one if implied(one, event) and one.loops == event.loops else None
    return None


def _changes(trace: Trace, wrap: Event, event: Event) -> bool:
    if event.callee in _TYPES:
        return not _is_cast_before(trace, wrap, event.callee)
    if event.callee not in ("cuda", "to") or _is_moved_before(trace, wrap):
        return False
    return event.callee == "cuda" or any(_is_gpu(arg.value) for arg in event.args)


def _is_gpu(value: Value) -> bool:
    if isinstance(value, Obj) and value.qualname == "torch.device" and value.args:
        return _is_gpu(value.args[0])
    return isinstance(value, Const) and str(value.value).startswith("cuda")


def _is_moved_before(trace: Trace, wrap: Event) -> bool:
    """Whether the model may be on its device already when it is wrapped."""
    if not isinstance(_inner(wrap), Obj):
        return True
    earlier = trace.events[: trace.events.index(wrap)]
    return any(
        event.callee in (*_MOVES, "torch.set_default_device", "torch.set_default_tensor_type")
        or event.within("torch.device") is not None
        or any(arg.keyword == "device" for arg in event.args)
        for event in earlier
    )


def _inner(wrap: Event) -> Value | None:
    made = wrap.result
    return made.args[0] if isinstance(made, Obj) and made.args else None


def _is_cast_before(trace: Trace, wrap: Event, name: str) -> bool:
    earlier = trace.events[: trace.events.index(wrap)]
    casts = [e for e in earlier if e.receiver is _inner(wrap) and e.callee in _MOVES]
    return any(e.callee == name or e.callee in ("to", "type") for e in casts)


def _finding(event: Event, wrap: Event) -> Finding:
    name = event.receiver_text or "the model"
    return found(
        event.site,
        f"`{name}.{event.callee}()` comes after DistributedDataParallel has wrapped the model",
        related=[(wrap.site, "here its buffers are laid out for the parameters as they are")],
        hint=f"call `.{event.callee}()` on the model before it is wrapped",
    )
