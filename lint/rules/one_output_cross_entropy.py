"""TRN409."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.losses import LossCall, loss_calls
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Script
from trainlint.lint.outputs import related_to, surely, width
from trainlint.lint.rule import found, rule
from trainlint.lint.shapes import shape


@rule("TRN409", Severity.ERROR, needs=(b"CrossEntropyLoss", b"cross_entropy"))
def one_output_cross_entropy(script: Script) -> Iterator[Finding]:
    """A cross-entropy over a single output is always 0.

    Softmax over one number is 1, and its logarithm 0, whatever the model says: the loss is 0 and
    so is each gradient. For two classes take two outputs, or one with `BCEWithLogitsLoss`.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        criterion = nn.CrossEntropyLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.zeros(8).long())  # TRN409
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        criterion = nn.BCEWithLogitsLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.zeros(8, 1))

    Silent where the input surely has three axes, or the target a last axis of one: the classes are
    then on axis 1, one score for each of several choices.

    Source: the formula in the documentation of torch.nn.CrossEntropyLoss, for one class.
    """
    for call in loss_calls(script, "CrossEntropyLoss"):
        operation = surely(call.input, "linear")
        if operation is not None and width(operation) == 1 and not _has_choices(call):
            yield found(
                call.event.site,
                "the cross-entropy is over a single output: it is 0, whatever the model says",
                related=related_to(operation, "the only output"),
                hint="use BCEWithLogitsLoss, or one output per class",
            )


def _has_choices(call: LossCall) -> bool:
    """Whether the classes may be on an axis before the last: the choices that a layer scores."""
    given = shape(call.input)
    target = call.target if call.target is not None else Value()
    column = shape(target).is_column or surely(target, "unsqueeze") is not None
    return column or max(given.rank or 0, given.least) > 2
