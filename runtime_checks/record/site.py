"""Where something stands in the user's own code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """A line of the user's own code; `path` as Python reports it, absolute."""

    path: str
    line: int
