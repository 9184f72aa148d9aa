"""TRN916."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Const, Obj, Value, options_of
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_SAME = ("zeros", "ones", "full", "empty", "arange", "linspace", "eye", "tensor")
_RANDOM = ("rand", "randn", "randint", "randperm")
_MAKES = {f"torch.{name}": name in _SAME for name in (*_SAME, *_RANDOM)}


@rule("TRN916", Severity.INFO, needs=(b"cuda",))
def made_on_cpu_and_moved(script: Script) -> Iterator[Finding]:
    """A tensor is made on the CPU and moved to the GPU at once.

    `torch.zeros(…).cuda()` fills the tensor on the CPU, copies it, and waits for the copy. With
    `device=` it is made where it is needed.

    Bad:
        import torch

        noise = torch.zeros(64, 100).cuda()  # TRN916
    Good:
        import torch

        noise = torch.zeros(64, 100, device="cuda")

    Fix safety: the fix hands the device to the function. Where it draws random numbers, the GPU
    draws others from the same seed: then it is unsafe.
    Source: the PyTorch recipe "Performance Tuning Guide", section "Create tensors directly on the
    target device".
    """
    for event in script.events("method"):
        made = event.receiver_node
        if event.callee not in ("to", "cuda") or not isinstance(made, cst.Call):
            continue
        tensor, device = event.receiver, _device_of(event)
        if device is None or not isinstance(tensor, Obj) or tensor.qualname not in _MAKES:
            continue
        if tensor.site is not None and tensor.site.node is made and "device" not in tensor.kwargs:
            yield _finding(script, event, made, device)


def _device_of(event: Event) -> str | None:
    """The device that a tensor is moved to, as it is written; None where it may be none."""
    given = event.argument(0, "device")
    if event.callee == "cuda":
        return '"cuda"' if given is None and not event.args else None
    if given is None or len(event.args) != 1 or not _is_device(given.value):
        return None
    return given.text


def _is_device(value: Value) -> bool:
    return all(
        (isinstance(one, Const) and isinstance(one.value, str))
        or (isinstance(one, Obj) and one.qualname == "torch.device")
        for one in options_of(value)
    )


def _finding(script: Script, event: Event, made: cst.Call, device: str) -> Finding:
    receiver = event.receiver
    assert isinstance(receiver, Obj)
    name = receiver.qualname
    return found(
        event.site,
        f"`{name}` makes its tensor on the CPU, and it is moved at once",
        hint=f"hand over `device={device}`",
        fix=_fix(script, event, made, device, safe=_MAKES[name]),
    )


def _fix(script: Script, event: Event, made: cst.Call, device: str, *, safe: bool) -> Fix | None:
    if event.site.script is not script or not made.args or any(arg.star for arg in made.args):
        return None
    given = ", ".join(script.module.code_for_node(arg.with_changes(comma=cst.MaybeSentinel.DEFAULT))
                      for arg in made.args)  # fmt: skip
    function = script.module.code_for_node(made.func)
    edit = script.edit(event.site.node, f"{function}({given}, device={device})")
    return None if edit is None else Fix(f"Make it with `device={device}`", (edit,), safe=safe)
