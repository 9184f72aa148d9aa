"""The lines that tell how mixed precision was used; written again and again, the last counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class Autocast:
    """Enabled regions of autocast in training, and the Linear and Conv layers that were looked at.

    `low` gave float16 or bfloat16, `high` gave float32 inside a region, `outside` ran in none.
    """

    kind: ClassVar[str] = "autocast"
    step: int
    site: Site | None
    device: str
    entries: int
    low: int
    high: int
    outside: int


@dataclass(frozen=True)
class Scalers:
    """What was done with the enabled GradScalers that one line made."""

    kind: ClassVar[str] = "scalers"
    step: int
    site: Site | None
    made: int
    scales: int
    steps: int
    updates: int
    scaled: Site | None = None  # the line that scales
    stepped: Site | None = None  # the line that steps
