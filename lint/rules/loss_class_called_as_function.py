"""TRN412."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const, Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule


@rule("TRN412", Severity.ERROR, needs=(b"Loss(",))
def loss_class_called_as_function(script: Script) -> Iterator[Finding]:
    """A loss class is called with predictions and targets, which builds it instead of applying it.

    `nn.MSELoss(output, target)` makes a module, with the two tensors as its settings; what follows
    fails at `.backward()`, or is never noticed where the loss is only printed.

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

    Source: the documentation of torch.nn (losses are modules: made first, then called).
    """
    for event in script.events("make"):
        made = event.result
        if isinstance(made, Obj) and made.kind == "loss" and made.cls is None and _applied(event):
            name = made.qualname.rpartition(".")[2]
            yield found(
                event.site,
                f"`{name}` is a class: called with tensors it is made, and computes no loss",
                hint=f"make it first: `{name}()({', '.join(arg.text for arg in event.args)})`",
            )


def _applied(event: Event) -> bool:
    """Whether both of the first two arguments are tensors: no setting but `weight` is one."""
    first = event.args[:2]
    return len(first) == 2 and all(
        arg.keyword is None and not arg.star and _is_tensor(arg.value) for arg in first
    )


def _is_tensor(value: object) -> bool:
    return isinstance(value, Obj) and value.kind == "output" and not isinstance(value, Const)
