"""The lines that tell how learning rates were scheduled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class Schedule:
    """A scheduler and what was done with it so far: written again and again, the last one counts.

    One that another scheduler steps is no schedule of its own, and is not written.
    """

    kind: ClassVar[str] = "schedule"
    step: int
    id: int
    name: str  # class name, `StepLR`
    site: Site | None  # where it was made
    optimizer: int
    taken: int  # steps of its optimizer since it was made, also those inside another's step
    calls: int = 0
    stepped: Site | None = None  # the line that steps it
    # In how many of its own steps it is measured, and the argument that says so.
    length: int | None = None
    argument: str = ""
    # Calls before the first step of its optimizer, and whether the first of them came before any
    # backward and any pass of training data.
    early: int = 0
    opening: bool = False
    between: int = 0  # calls that came between a backward and the step that consumed it
    changed: int = 0  # calls that left the rate at another value than it had when it was made
    torchs: bool = True  # a class of torch's own
    siblings: int = 0  # other schedulers of the same optimizer
