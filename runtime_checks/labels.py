"""The labels that classification losses were given, and what the models said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainlint.runtime_checks.loss_calls import lines_of
from trainlint.runtime_checks.record import LossCall, Site
from trainlint.runtime_checks.run import Run

FUNCTIONS = frozenset(
    {
        "cross_entropy",
        "nll_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
    }
)


@dataclass(frozen=True)
class Classification:
    """A line that computes the loss of a classification, and its calls with their labels."""

    site: Site | None
    function: str
    calls: tuple[LossCall, ...]

    @property
    def labels(self) -> list[int]:
        """How often each class was the target."""
        return total(call.labels for call in self.calls)

    @property
    def is_plain(self) -> bool:
        """Whether every sample weighs the same, and the loss is their mean."""
        return all(call.plain for call in self.calls)


def total(counts: Iterable[Sequence[int] | None]) -> list[int]:
    """Counts by class, added up."""
    rows = [row for row in counts if row]
    width = max(map(len, rows), default=0)
    return [sum(row[index] for row in rows if index < len(row)) for index in range(width)]


def classifications(run: Run) -> list[Classification]:
    """The lines of which the labels are known; not where each sample is a class of its own."""
    found = []
    for line in lines_of(run, FUNCTIONS):
        calls = tuple(call for call in line.calls if call.labels and sum(call.labels))
        if calls and not all(_is_of_pairs(call) for call in calls):
            found.append(Classification(line.site, line.function, calls))
    return found


def _is_of_pairs(call: LossCall) -> bool:
    """Whether the classes are the samples of the batch: each is to find its own partner."""
    shape = call.input_shape
    return len(shape) == 2 and shape[0] == shape[1] and max(call.labels or [0]) <= 1


def entropy(counts: Sequence[int]) -> float:
    """In nats, of the shares: the loss of one who knows the shares alone."""
    whole = sum(counts)
    return -sum(n / whole * math.log(n / whole) for n in counts if n) if whole else 0.0
