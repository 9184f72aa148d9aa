"""The lines that tell what loss functions were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class LossCall:
    """What a loss function of torch's was given, in a step that was looked at closely.

    The first call of a line in a step; the input depends on what is trained. `maker` is the
    operation that made the input, views of it left out, and `under` the one before that. Of a
    classification, rows are the scores of one sample: some hundred of them are looked at.
    """

    kind: ClassVar[str] = "losscall"
    step: int
    site: Site | None
    function: str  # `cross_entropy`
    maker: str  # `Softmax`, `Addmm`; empty for a tensor that nothing computed
    under: str
    input_shape: list[int]
    target_shape: list[int]
    plain: bool  # no weights, no label smoothing, averaged
    loss: float | None  # of a scalar; None otherwise
    low: float  # least and greatest value of the input
    high: float
    off_one: float | None = None  # the furthest that the sum of a row is from 1
    off_zero: float | None = None  # the furthest that the log of the sum of a row's exp is from 0
    negative: float | None = None  # share of the targets that are below 0
    labels: list[int] | None = None  # how often each class is the target; None: not classes
    guesses: list[int] | None = None  # how often each class has the highest score
    loader: int | None = None  # whose pass was at hand


@dataclass(frozen=True)
class Broadcast:
    """A loss computed by hand compares a column with a row, and becomes a square; told once."""

    kind: ClassVar[str] = "broadcast"
    step: int
    site: Site | None  # of the backward
    operation: str  # `Sub`
    shape: list[int]  # of what the model gave
    result: list[int]
