"""TRN411."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_calls
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Event, Script
from trainlint.lint.outputs import LINEAR, Operation, related_to, softmax_axis, surely
from trainlint.lint.rule import found, rule
from trainlint.lint.shapes import number, shape

_CHOOSING = ("argmax", "max", "topk")


@rule("TRN411", needs=(b"oftmax",))
def softmax_over_batch(script: Script) -> Iterator[Finding]:
    """A softmax sums to 1 over the batch, and what follows takes the classes from the next axis.

    With `dim=0` the samples of a batch compete for each class: what a sample gets depends on the
    others, and no row sums to 1. Reported where the classes are surely in axis 1, because
    `argmax(dim=1)` or a loss reads them there.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=0))
        predicted = model(torch.randn(8, 4)).argmax(dim=1)  # TRN411
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
        predicted = model(torch.randn(8, 4)).argmax(dim=1)

    Source: the documentation of torch.nn.Softmax (`dim`: every slice along it will sum to 1).
    """
    for event in script.events("call", "method"):
        value = _chosen_from(event)
        operation = _over_batch(value) if value is not None else None
        if operation is not None:
            yield _finding(event, operation, "the classes are read from axis 1")
    for call in loss_calls(script, "NLLLoss"):
        operation = _over_batch(call.input)
        if operation is not None and (shape(call.input).rank or 0) > 1:
            yield _finding(call.event, operation, "the loss reads the classes from axis 1")


def _chosen_from(event: Event) -> Value | None:
    """The tensor of which an event takes the best of axis 1."""
    method = event.kind == "method"
    name = event.callee.removeprefix("torch.")
    if name not in _CHOOSING:
        return None
    axis = event.argument((0 if method else 1) + (name == "topk"), "dim")
    if axis is None or number(axis.value) != 1:
        return None
    if method:
        return event.receiver
    first = event.argument(0, "input")
    return first.value if first is not None else None


def _over_batch(value: Value) -> Operation | None:
    operation = surely(value, "softmax", "log_softmax")
    if operation is None or operation.reshaped or operation.follows(*LINEAR) is None:
        return None  # of two sides compared, either may be the one to choose from
    return operation if number(softmax_axis(operation)) == 0 else None


def _finding(event: Event, operation: Operation, why: str) -> Finding:
    return found(
        event.site,
        f"the {operation.name} sums to 1 over axis 0, the batch, and {why}",
        related=related_to(operation, f"the {operation.name}"),
        hint="use `dim=1`",
    )
