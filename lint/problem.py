"""What could not be checked, and why."""

from __future__ import annotations

from dataclasses import dataclass


class Unreadable(Exception):
    """A file cannot be checked: why, how to mend it, and where, counted as in `Location`."""

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        line: int | None = None,
        column: int | None = None,
        cell: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column
        self.cell = cell


def out_of_time(seconds: float) -> Unreadable:
    """Why a file is not checked that takes longer than it may."""
    return Unreadable(
        f"not checked: it takes more than the time limit of {seconds:g} s",
        "raise it with --time-limit or `time-limit`, or leave the file out with --exclude",
    )


@dataclass(frozen=True)
class Problem:
    """One thing that could not be checked; others were."""

    path: str
    message: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None
    cell: int = 0

    @classmethod
    def of(cls, path: str, error: Unreadable) -> Problem:
        """The problem that a file's error is."""
        return cls(path, error.message, error.hint, error.line, error.column, error.cell)

    def __str__(self) -> str:
        cell = f"cell {self.cell}" if self.cell else None
        parts = [self.path, cell, self.line, self.column]
        place = ":".join(str(part) for part in parts if part is not None)
        return f"{place}: error: {self.message}"
