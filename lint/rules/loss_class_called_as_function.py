"""TRN412."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.outputs import is_predicted
from trainlint.lint.rule import found, rule


@rule("TRN412", Severity.ERROR, needs=(b"Loss(",))
def loss_class_called_as_function(script: Script) -> Iterator[Finding]:
    """A loss class is called with predictions and targets, which builds it instead of applying it.

    `nn.MSELoss(output, target)` makes a module, with the two tensors as its settings. Most losses
    refuse tensors of more than one number at once ("Boolean value of Tensor with more than one
    value is ambiguous"). Else `.backward()` fails, or no one notices where it is only printed.

    Bad:
        import torch
        from torch import nn

        output, target = torch.randn(8, 1, requires_grad=True), torch.randn(8, 1)
        loss = nn.MSELoss(output, target)  # TRN412
    Good:
        import torch
        from torch import nn

        output, target = torch.randn(8, 1, requires_grad=True), torch.randn(8, 1)
        loss = nn.MSELoss()(output, target)

    Fix safety: the fix makes the loss and then calls it with the same arguments, as was meant.
    Source: the documentation of torch.nn (losses are modules: made first, then called);
    the errors are those of torch 2.13.
    """
    used = _taken_for_tensors(script)
    for event in script.events("make"):
        made = event.result
        if not isinstance(made, Obj) or made.kind != "loss" or made.cls is not None:
            continue
        if _is_handed_pair(event) and (made in used or _are_tensors(event)):
            name = made.qualname.rpartition(".")[2]
            yield found(
                event.site,
                f"`{name}` is a class: called with tensors it is made, and computes no loss",
                hint=f"make it first: `{name}()({', '.join(arg.text for arg in event.args)})`",
                fix=_fix(script, event),
            )


def _fix(script: Script, event: Event) -> Fix | None:
    call = event.site.node
    if event.site.script is not script or not isinstance(call, cst.Call):
        return None
    if any(arg.keyword for arg in event.args):
        return None
    made = f"{script.module.code_for_node(call.func)}()"
    edit = script.edit(call.func, made)
    return None if edit is None else Fix(f"Call `{made}` with them", (edit,), safe=True)


def _taken_for_tensors(script: Script) -> set[Value]:
    """What `backward` or `item` is called on, as only a tensor can be."""
    events = script.events("backward", "method", "opaque")
    return {event.receiver for event in events if event.callee in ("backward", "item")}


def _is_handed_pair(event: Event) -> bool:
    first = event.args[:2]
    return len(first) == 2 and not any(arg.keyword or arg.star for arg in first)


def _are_tensors(event: Event) -> bool:
    """Whether both arguments are tensors: of a loss's settings only the first, `weight`, is one."""
    one, other = (arg.value for arg in event.args[:2])
    if not _is_tensor(one):
        return False
    return _is_tensor(other) or (type(other) is Value and is_predicted(one))


def _is_tensor(value: Value) -> bool:
    return isinstance(value, Obj) and value.kind == "output"
