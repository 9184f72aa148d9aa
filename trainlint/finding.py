"""The one thing that both halves produce: a finding.

Everything here is frozen and made of plain scalars, so that a finding can be compared, sorted,
written as JSON and read back. No syntax node and no tensor is ever kept in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Scalar = str | int | float | bool | None


class Severity(str, Enum):
    """How sure the harm is."""

    ERROR = "error"  # crashes, or trains wrongly for sure
    WARNING = "warning"  # wrong in nearly every script
    INFO = "info"  # advice, off by default


class Confidence(str, Enum):
    """How seldom a rule speaks of code that is right."""

    HIGH = "high"  # right code is left alone: may be on by default
    MEDIUM = "medium"  # right code of an unusual kind may be meant
    LOW = "low"  # a hint where to look


class Verdict(str, Enum):
    """What the observed run says of a static finding."""

    CONFIRMED = "confirmed"
    NOT_REPRODUCED = "not reproduced"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, order=True)
class Location:
    """A place in a file of the user's.

    Lines and columns count from 1, columns in characters; the end is exclusive. In a notebook,
    lines count within `cell`, which counts all cells from 1.
    """

    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    cell: int = 0

    def __str__(self) -> str:
        cell = f"cell {self.cell}:" if self.cell else ""
        return f"{self.path}:{cell}{self.line}:{self.column}"


@dataclass(frozen=True)
class Related:
    """A second place that belongs to a finding, and what stands there."""

    location: Location
    label: str


@dataclass(frozen=True)
class Edit:
    """Replace the bytes `start` to `end` of the original file by `content`."""

    start: int
    end: int
    content: str


@dataclass(frozen=True)
class Fix:
    """Edits that mend one finding; `safe` if they cannot change what right code means."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True)
class Evidence:
    """One measured fact: `quantity` was `value`, at optimizer step `step` where that is known."""

    quantity: str
    value: Scalar
    step: int | None = None


@dataclass(frozen=True)
class Finding:
    """One mistake, where it stands, and how to mend it."""

    code: str
    name: str
    message: str
    severity: Severity
    location: Location
    related: tuple[Related, ...] = ()
    hint: str | None = None
    fix: Fix | None = None
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None

    @property
    def sort_key(self) -> tuple[str, int, int, int, str, str]:
        """Reading order: by file, then by place, then by code."""
        at = self.location
        return (at.path, at.cell, at.line, at.column, self.code, self.message)


def is_fixable(finding: Finding, unsafe: bool) -> bool:
    """Whether `--fix` mends a finding, unsafe fixes included or not."""
    fix = finding.fix
    return fix is not None and bool(fix.edits) and (fix.safe or unsafe)
