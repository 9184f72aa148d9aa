"""Findings for people: the source line with the place marked, related places, hint, fix."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from trainlint.finding import (
    Evidence,
    Finding,
    Fix,
    Location,
    Severity,
    Verdict,
    is_fixable,
)
from trainlint.lint.problem import Problem
from trainlint.lint.source import Source

Paint = Callable[..., str]

WIDTH = 100  # columns of a source line that are shown
_TAB = 4
_MOST_FACTS = 6
_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_VERDICTS = {
    Verdict.CONFIRMED: "green",
    Verdict.NOT_REPRODUCED: "yellow",
    Verdict.NOT_REACHED: "blue",
}


def render_text(
    findings: Iterable[Finding],
    sources: Mapping[str, Source],
    *,
    color: bool = False,
    unsafe: bool = False,
) -> str:
    """All findings, a blank line after each; `sources` by path, for the lines.

    `[*]` marks what `--fix` would mend, unsafe fixes included or not.
    """
    writer = _Writer(sources, click.style if color else _plain, unsafe)
    return "".join("\n".join(writer.finding(finding)) + "\n\n" for finding in findings)


def render_concise(findings: Iterable[Finding], *, unsafe: bool = False) -> str:
    """One line a finding: place, code, name, message, and the run's verdict."""
    return "".join(
        f"{_headline(finding, _plain, unsafe)}{_told(finding)}\n" for finding in findings
    )


def _headline(finding: Finding, paint: Paint, unsafe: bool) -> str:
    place = paint(str(finding.location), bold=True)
    code = paint(finding.code, fg=_COLORS[finding.severity], bold=True)
    mark = f" [{paint('*', fg='cyan')}]" if is_fixable(finding, unsafe) else ""
    return f"{place}: {code} [{finding.name}]{mark} {finding.message}"


def _told(finding: Finding) -> str:
    return f" ({finding.verdict.value})" if finding.verdict is not None else ""


def render_problem(problem: Problem) -> str:
    """One thing that could not be checked."""
    return f"{problem}\n  help: {problem.hint}" if problem.hint else str(problem)


def summary_line(
    findings: Sequence[Finding], problems: Sequence[Problem], files: int, fixed: int = 0
) -> str:
    """How much was found where, and how much of it was fixed."""
    failed = f"; {_failed(problems)}." if problems else "."
    if fixed:
        found = count(len(findings) + fixed, "mistake")
        return f"Found {found} ({fixed} fixed, {len(findings)} remaining){failed}"
    if not findings:
        clear = f"{count(files, 'file')} checked"
        return f"Nothing found{failed}" if problems else f"All clear: {clear}."
    places = len({finding.location.path for finding in findings})
    return f"Found {count(len(findings), 'mistake')} in {count(places, 'file')}{failed}"


def fixable_line(findings: Sequence[Finding], unsafe: bool) -> str:
    """How much of it `--fix` would mend, a line of its own; empty where it would mend nothing."""
    now = sum(is_fixable(finding, unsafe) for finding in findings)
    hidden = sum(is_fixable(finding, True) for finding in findings) - now
    more = f"{count(hidden, 'hidden fix', 'hidden fixes')} with `--unsafe-fixes`"
    if now:
        return f"[*] {now} fixable with `--fix`{f' ({more})' if hidden else ''}.\n"
    return f"No safe fixes ({more}).\n" if hidden else ""


def count(number: int, noun: str, several: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def _failed(problems: Sequence[Problem]) -> str:
    return f"{count(len(problems), 'path')} could not be checked"


def _plain(text: str, **_: object) -> str:
    return text


@dataclass(frozen=True)
class _Writer:
    sources: Mapping[str, Source]
    paint: Paint
    unsafe: bool = False

    def finding(self, finding: Finding) -> Iterator[str]:
        yield _headline(finding, self.paint, self.unsafe)
        yield from self.marked(finding.location, _COLORS[finding.severity])
        for related in finding.related:
            yield f"  {related.location}: {related.label}"
            yield from self.line_of(related.location)
        if finding.hint:
            yield f"  {self.paint('help:', bold=True)} {finding.hint}"
        if finding.fix is not None:
            yield from self.fix(finding.fix)
        yield from self.verdict(finding)

    def marked(self, at: Location, color: str) -> Iterator[str]:
        """The first line of a place, and a mark under what it covers of it."""
        lines = self.excerpt(at)
        if not lines:
            return
        whole = at.end_column == 0 or at.end_line != at.line
        start = at.column - 1
        end = len(lines[0]) if whole else at.end_column - 1
        if at.end_column == 0:
            start = len(lines[0]) - len(lines[0].lstrip())
        shown, left, width = _window(lines[0].rstrip(), start, end)
        gutter = f"{at.line:>5} | "
        yield gutter + shown
        mark = self.paint("^" * max(width, 1), fg=color, bold=True)
        yield f"{'':>5} | {' ' * left}{mark}"

    def line_of(self, at: Location) -> Iterator[str]:
        for line in self.excerpt(at)[:1]:
            shown, _, _ = _window(line.rstrip(), at.column - 1, at.column)
            yield f"{at.line:>5} | {shown}"

    def excerpt(self, at: Location) -> list[str]:
        source = self.sources.get(at.path)
        return source.excerpt(at) if source is not None else []

    def fix(self, fix: Fix) -> Iterator[str]:
        kind = "safe fix" if fix.safe else "unsafe fix"
        yield f"  {self.paint(f'{kind}:', bold=True)} {fix.title}"

    def verdict(self, finding: Finding) -> Iterator[str]:
        facts = [_fact(fact) for fact in finding.evidence[:_MOST_FACTS]]
        if len(finding.evidence) > _MOST_FACTS:
            facts.append(f"and {len(finding.evidence) - _MOST_FACTS} more")
        if finding.verdict is not None:
            word = self.paint(finding.verdict.value, fg=_VERDICTS[finding.verdict], bold=True)
            yield f"  {word}: {'; '.join(facts)}" if facts else f"  {word} by the run"
        elif facts:
            yield f"  {self.paint('measured:', bold=True)} {'; '.join(facts)}"


def _fact(fact: Evidence) -> str:
    value = f"{fact.value:.4g}" if isinstance(fact.value, float) else str(fact.value)
    step = f" at step {fact.step}" if fact.step is not None else ""
    return f"{fact.quantity} {value}{step}"


def _window(line: str, start: int, end: int) -> tuple[str, int, int]:
    """A line cut to `WIDTH` around a place; the columns before the place, and the place's own."""
    cells = [_cell(char) for char in line]
    start, end = min(start, len(cells)), min(end, len(cells))
    widths = [_width(cell) for cell in cells]
    first, last = 0, len(cells)
    if sum(widths) > WIDTH:
        while first < start and sum(widths[first:end]) > WIDTH * 3 // 4:
            first += 1
        while last > first and sum(widths[first:last]) > WIDTH:
            last -= 1
    head, tail = "…" if first else "", "…" if last < len(cells) else ""
    shown = head + "".join(cells[first:last]) + tail
    left = len(head) + sum(widths[first:start])
    return shown, left, sum(widths[start : min(end, last)])


def _cell(char: str) -> str:
    if char == "\t":
        return " " * _TAB
    return char if char.isprintable() else "·"


def _width(cell: str) -> int:
    """Columns of a terminal: East Asian wide characters take two, combining marks none."""
    if len(cell) == 1:
        if unicodedata.combining(cell):
            return 0
        return 2 if unicodedata.east_asian_width(cell) in "WF" else 1
    return len(cell)
