"""The line that tells where a number that is none came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class Origin:
    """The first operation whose result is not finite though all that it was given is.

    `phase` is "forward", "backward" or "input": a batch that was not finite when the model was
    called. `shape`, `low` and `high` are those of its input; `at` is the place of the first bad
    element in the result, and `given` the input there, where the two are of one shape.
    """

    kind: ClassVar[str] = "origin"
    step: int
    phase: str
    operation: str
    site: Site | None
    module: str  # qualified name and class of the innermost module around it, "" outside of any
    value: float
    shape: list[int]
    low: float
    high: float
    at: list[int]
    given: float | None = None
