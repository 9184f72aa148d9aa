"""How often each code was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint._version import __version__
from trainlint.finding import Finding
from trainlint.lint.problem import Problem
from trainlint.reporters.json import FORMAT, plain


@dataclass(frozen=True)
class Tally:
    """One code: how many findings it has, and how many of them a safe fix mends."""

    code: str
    name: str
    severity: str
    count: int
    fixable: int


def tallies(findings: Iterable[Finding]) -> list[Tally]:
    """The most frequent first, then by code."""
    counts: Counter[tuple[str, str]] = Counter()
    fixable: Counter[str] = Counter()
    severities: dict[str, str] = {}
    for finding in findings:
        counts[finding.code, finding.name] += 1
        fixable[finding.code] += finding.fix is not None and finding.fix.safe
        severities.setdefault(finding.code, finding.severity.value)
    found = [
        Tally(code, name, severities[code], count, fixable[code])
        for (code, name), count in counts.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.code))


def render_statistics(rows: Sequence[Tally]) -> str:
    """A line a code; `[*]` marks those of which every finding has a safe fix, `[-]` some."""
    width = max((len(str(row.count)) for row in rows), default=0)
    mark = any(row.fixable for row in rows)
    return "".join(
        f"{row.count:>{width}}  {row.code}  {_mark(row) if mark else ''}{row.name}\n"
        for row in rows
    )


def _mark(row: Tally) -> str:
    if not row.fixable:
        return "[ ] "
    return "[*] " if row.fixable == row.count else "[-] "


def statistics_to_json(rows: Sequence[Tally], problems: Sequence[Problem]) -> dict[str, Any]:
    """The same for programs, described in docs/json.md."""
    return {
        "format": FORMAT,
        "tool": {"name": "trainlint", "version": __version__},
        "statistics": plain(rows),
        "problems": plain(problems),
    }
