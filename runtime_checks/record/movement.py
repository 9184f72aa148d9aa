"""The lines that tell how far steps moved the weights, and which weights stayed where they were.

All but `Movement` say what has held so far: they are written again and again, and the last counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class Movement:
    """What one step did to the weights of an optimizer, measured on samples of large tensors.

    Ratios are |dw| / |w|, over tensors of two dimensions and up that did not begin at 0. `cosine`
    is that between the gradient and the movement, with weight decay taken out: -1 for a plain
    descent; None where the optimizer is told to maximize.
    """

    kind: ClassVar[str] = "movement"
    step: int
    optimizer: int
    rate: float  # the greatest learning rate of its groups
    largest: float | None
    layer: str  # the tensor with the largest ratio
    middle: float | None  # median ratio
    cosine: float | None


@dataclass(frozen=True)
class Stuck:
    """Tensors that got a gradient of some size, at a rate above 0, and hardly moved.

    `share` is the mean part of their elements, of those with a gradient, that a step left exactly
    as they were: 1 where the whole tensor never moved.
    """

    kind: ClassVar[str] = "stuck"
    step: int
    optimizer: int
    dtype: str  # `float32`
    names: list[str]
    samples: int  # the fewest steps at which one of them was looked at
    share: float  # the least of them


@dataclass(frozen=True)
class FrozenMoved:
    """Tensors that require no gradient, and that an optimizer's step moved all the same.

    `how` is "gradient" for one that was left over, "state" where there is none but zeros.
    """

    kind: ClassVar[str] = "frozen_moved"
    step: int
    optimizer: int
    names: list[str]
    how: str
    steps: int


@dataclass(frozen=True)
class NotFrozen:
    """Parameters that were told not to require a gradient by an attribute that does nothing."""

    kind: ClassVar[str] = "not_frozen"
    step: int
    model: int
    attribute: str  # `requires_grad` of a module, a misspelt one of a parameter
    owner: str  # qualified name of the module or the first parameter that has it
    site: Site | None
    names: list[str]


@dataclass(frozen=True)
class Idle:
    """Tensors that an optimizer holds, require a gradient and never had one."""

    kind: ClassVar[str] = "idle"
    step: int
    optimizer: int
    names: list[str]
    samples: int


@dataclass(frozen=True)
class Uniform:
    """Weights all of whose rows are the same, from the start and through all that moved them."""

    kind: ClassVar[str] = "uniform"
    step: int
    optimizer: int
    names: list[str]
    samples: int
    moving: bool  # they move, all rows alike; else no gradient ever reached them
