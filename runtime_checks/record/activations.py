"""The lines that tell what the activations of a network did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Activation:
    """An activation over a block of training batches, in those that were looked at.

    `after` is the parameter nearest before it. For a ReLU, `share` is the part of its units that
    were never above 0 in the block; for tanh and sigmoid, the part whose mean distance from the
    middle is beyond 0.85 of the range.
    """

    kind: ClassVar[str] = "activation"
    step: int
    function: str  # `relu`, `tanh`, `sigmoid`
    model: int
    after: str
    units: int
    batches: int
    share: float
    block: int  # how many blocks came before
    samples: int = 0  # values of one unit that were seen in the block


@dataclass(frozen=True)
class Order:
    """The weights that a loss depends on, in the order in which they were used."""

    kind: ClassVar[str] = "order"
    step: int
    names: list[str]
