"""The lines that tell what a run uses up: memory, and time that it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class KeptGraphs:
    """Losses on which steps were taken, and that are still alive with their graphs.

    `looked` steps were looked at since none was alive. `keeper` is the name of the variable that
    holds them, `site` the line that adds to it, where both are known; else the backward's line.
    """

    kind: ClassVar[str] = "kept"
    step: int
    site: Site | None
    alive: int
    looked: int
    keeper: str = ""


@dataclass(frozen=True)
class Memory:
    """Bytes that the process holds, and that torch holds of a GPU (0 without one)."""

    kind: ClassVar[str] = "memory"
    step: int
    resident: int
    allocated: int
    passes: int  # training passes begun
    whole: bool  # each of them went to its end


@dataclass(frozen=True)
class Waiting:
    """Time that training passes over a loader waited for their batches, so far.

    Medians over `fetches` in seconds: of one fetch, and of the time from one to the next. The
    first of each pass is left out: workers start in it.
    """

    kind: ClassVar[str] = "waiting"
    step: int
    site: Site | None
    loader: int
    fetches: int
    wait: float
    period: float
    workers: int
