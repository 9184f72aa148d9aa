"""The lines that tell of the data: loaders, the order of their batches, what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class LoaderInfo:
    """A DataLoader, at its first pass; `source` numbers its data, which others may share."""

    kind: ClassVar[str] = "loader"
    id: int
    source: int
    site: Site | None  # where it was made
    length: int | None  # batches
    workers: int
    sampler: str  # class name, `RandomSampler`
    shuffles: bool | None  # None: not known
    iterable: bool  # of an IterableDataset
    dataset: str  # class name
    size: int | None  # samples


@dataclass(frozen=True)
class BatchOrder:
    """The first batches of a pass over a loader, each by a hash of its samples in their order."""

    kind: ClassVar[str] = "batchorder"
    step: int  # steps taken before it was written
    loader: int
    source: int
    number: int  # passes over these data before it
    batches: list[int]
    taken: int  # batches that the script took, hashed or not
    rows: int  # samples that were hashed
    distinct: int  # different ones among them
    least: int  # how many different ones the poorest of these batches has
    trained: bool  # a backward came during it
    constant: bool = False  # each tensor of the first batch holds one number only
    ended: bool = False  # all of it was hashed, to the end of the data


@dataclass(frozen=True)
class BadInput:
    """Numbers that are none in the batch at hand when the first loss was not finite."""

    kind: ClassVar[str] = "badinput"
    step: int
    site: Site | None  # where the model was called
    loader: int | None  # that gave the batch; None: they were in what the model was given
    place: str  # "tensor 0 of the batch", "argument 0 of `Net`"
    what: str  # "nan" or "inf"
    values: int  # how many
    samples: int  # in how many samples
    size: int  # of how many


@dataclass(frozen=True)
class Overlap:
    """Samples that a model was evaluated on, without a graph, and had been trained on.

    Both are counted by their hashes, of those batches that were looked at. `chance` is the share
    that would be met if training samples were as often the same as they are within one pass; 0
    where they are made of numbers that are hardly ever equal.
    """

    kind: ClassVar[str] = "overlap"
    step: int
    model: int
    loader: int  # of the evaluation
    source: int
    trained: int  # different samples seen in training
    evaluated: int  # and in the evaluation
    met: int  # in both
    chance: float


@dataclass(frozen=True)
class SharedIndices:
    """Two loaders over one data set: one trains a model, and the other evaluates it."""

    kind: ClassVar[str] = "sharedindices"
    step: int
    model: int
    training: int  # the loaders, by their numbers
    loader: int
    trained: int  # indices of each
    evaluated: int
    shared: int


@dataclass(frozen=True)
class Inputs:
    """What the first layer with parameters of a model was given, in training mode."""

    kind: ClassVar[str] = "inputs"
    step: int
    model: int
    layer: str  # its qualified name; empty for the model itself
    site: Site | None  # where the layer was made
    normed: bool  # a norm comes next
    fresh: bool  # the weights are those that the script made
    low: float
    high: float
    std: float
    whole: bool  # whole numbers only


@dataclass(frozen=True)
class Outputs:
    """Whether a model's output, in training mode, is the same for all samples of a batch."""

    kind: ClassVar[str] = "outputs"
    step: int
    model: int
    looks: int  # batches looked at
    streak: int  # of these, how many of the last were such, in a row
    size: float  # greatest absolute value of the last
