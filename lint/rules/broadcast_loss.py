"""TRN414."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.graph import ancestors
from trainlint.lint.losses import LossCall, loss_calls
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.shapes import COLUMN, ROW, Shape, has_row_of_best, is_picked_column, shape

_LOSSES = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss")


@rule("TRN414", needs=(b"Loss", b"_loss", b"binary_cross_entropy"))
def broadcast_loss(script: Script) -> Iterator[Finding]:
    """A loss compares a column of predictions with a flat row of targets.

    `(N, 1)` against `(N,)` is broadcast to `(N, N)`: each prediction is compared with all targets,
    and the model learns their mean. torch only warns; the binary cross-entropies stop with an
    error.

    Reported where both shapes can be read: a layer with one output, not squeezed, against a tensor
    of one axis, or the other way round.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        loss = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8))  # TRN414
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        loss = nn.functional.mse_loss(model(torch.randn(8, 4)).squeeze(1), torch.randn(8))

    Source: the warning of torch.nn.functional.mse_loss: "This will likely lead to incorrect results
    due to broadcasting".
    """
    for call in loss_calls(script, *_LOSSES):
        if call.target is None:
            continue
        one, other = _shape(call, call.input), _shape(call, call.target)
        if is_picked_column(call.input) and has_row_of_best(call.target):
            one, other = COLUMN, ROW
        if (one.is_column and other.is_row) or (one.is_row and other.is_column):
            yield found(
                call.event.site,
                f"the loss compares {_words(one)} with {_words(other)}: they are broadcast, each"
                " prediction against every target",
                hint="bring both to one shape: `squeeze(1)` the column, or `unsqueeze(1)` the row",
            )


def _words(one: Shape) -> str:
    return "a column `(N, 1)`" if one.is_column else "a row `(N,)`"


def _shape(call: LossCall, value: Value) -> Shape:
    """The shape; what a model makes of a loader's batch has an axis more than its features."""
    known = shape(value)
    if known.rank is None and known.last == 1 and _of_batch(call.event, value):
        return Shape(None, 1, max(2, known.least))
    return known


def _of_batch(event: Event, value: Value) -> bool:
    """Whether a value is computed from what a loop takes from a loader that makes batches."""
    batched = {loop for loop in event.loops if _makes_batches(loop.over)}
    return any(
        type(one) is Value and one.varies is not None and bool(batched & one.varies)
        for one in ancestors(value)
    )


def _makes_batches(over: Value) -> bool:
    if not isinstance(over, Obj) or over.qualname != "torch.utils.data.DataLoader":
        return False
    size = over.args[1] if len(over.args) > 1 else over.kwargs.get("batch_size")
    return isinstance(size, Const) and isinstance(size.value, int) and size.value > 1
