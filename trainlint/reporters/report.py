"""What a reporter is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint.finding import Finding
from trainlint.lint.problem import Problem
from trainlint.lint.source import Source


@dataclass(frozen=True)
class Report:
    """All that one call has to tell: findings in reading order, and what could not be checked.

    `fixed` counts the findings that were mended, and so are not told; `unsafe` is whether unsafe
    fixes count as fixes. `sources` holds the files of the findings, by path; `run` what was
    measured, where a script was run, as plain scalars.
    """

    findings: Sequence[Finding]
    problems: Sequence[Problem]
    sources: Mapping[str, Source]
    files: int
    run: Mapping[str, Any] | None = None
    fixed: int = 0
    unsafe: bool = False

    def source_of(self, path: str) -> Source | None:
        """The file at a path, if it is one that something was found in."""
        return self.sources.get(path)
