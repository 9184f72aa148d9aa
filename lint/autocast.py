"""Mixed precision contexts: whether and how they change what is computed under them."""

from __future__ import annotations

from trainlint.lint.lower.values import Const, Obj, Ref, Value
from trainlint.lint.model import Context, Event

_NAMES = (
    "torch.autocast",
    "torch.amp.autocast",
    "torch.amp.autocast_mode.autocast",
    "torch.cuda.amp.autocast",
    "torch.cuda.amp.autocast_mode.autocast",
)


def autocast_around(event: Event) -> Context | None:
    """The innermost autocast around an event."""
    return event.within(*_NAMES)


def _given(context: Context, position: int, keyword: str) -> Value | None:
    made = context.value
    if not isinstance(made, Obj):
        return None
    plain = made.args[: len(made.args) - len(made.kwargs)]
    if keyword in made.kwargs:
        return made.kwargs[keyword]
    return plain[position] if len(plain) > position else None


def _of_cuda(context: Context) -> bool:
    return context.name.startswith("torch.cuda.")


def is_off(context: Context) -> bool:
    """Whether it is switched off by a constant."""
    enabled = _given(context, 0 if _of_cuda(context) else 2, "enabled")
    return isinstance(enabled, Const) and not enabled.value


def is_half(context: Context) -> bool:
    """Whether what runs under it on a GPU surely runs in float16."""
    if is_off(context) or not isinstance(context.value, Obj):
        return False
    dtype = _given(context, 1, "dtype")
    if dtype is not None:
        return isinstance(dtype, Ref) and dtype.name in ("torch.float16", "torch.half")
    if _of_cuda(context):
        return True
    device = _given(context, 0, "device_type")
    return isinstance(device, Const) and device.value == "cuda"
