"""Writing suppressions: the edits that put `# trainlint: ignore[…]` where it is honoured."""

from __future__ import annotations

import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from trainlint.directives import UNUSED, Directive, Line, Mark, tokens_of
from trainlint.finding import Edit, Finding, Fix
from trainlint.ignoring_prose import prose_spot
from trainlint.lint.source import Source
from trainlint.suppress import Excuses

# The tokens that open and close a string with code in it; from Python 3.12 and 3.14 on.
_OPENING = ("FSTRING_START", "TSTRING_START")
_CLOSING = ("FSTRING_END", "TSTRING_END")
_BLANK = " \t\f"


@dataclass(frozen=True)
class _Spot:
    """Where codes are written: a byte of the file, and what stands around them there."""

    offset: int
    before: str
    after: str = ""


def ignore_fixes(source: Source, findings: Iterable[Finding]) -> dict[Finding, Fix]:
    """For each finding the fix that excuses it, in a comment on its line or its statement's.

    A suppression that is there already takes the code in; findings that meet in one comment share
    the edit that writes it. What no comment can excuse is left out: a line within a string or of
    IPython's own syntax, and an unused suppression, which is better taken away.
    """
    places = _Places(source)
    spots: dict[_Spot, list[Finding]] = {}
    for finding in findings:
        spot = None if finding.code == UNUSED else places.spot(finding)
        if spot is not None:
            spots.setdefault(spot, []).append(finding)
    return {one: fix for spot, meant in spots.items() for one, fix in _written(spot, meant)}


def _written(spot: _Spot, findings: Sequence[Finding]) -> Iterator[tuple[Finding, Fix]]:
    codes = sorted({finding.code for finding in findings})
    edit = Edit(spot.offset, spot.offset, f"{spot.before}{', '.join(codes)}{spot.after}")
    for finding in findings:
        yield finding, Fix(f"ignore {finding.code} here", (edit,), safe=True)


class _Places:
    """The lines of a source that can hold a suppression, and the suppressions that they hold."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._excuses = Excuses(source)

    def spot(self, finding: Finding) -> _Spot | None:
        """Where a finding's code goes: into a suppression that covers it, or a new one."""
        lines = [line for line in self._excuses.lines_of(finding) if line in self._rows]
        if self._source.kind == "document" and not lines:
            return self._in_prose(finding)
        known = (self._extended(one) for line in lines for one in self._known.get(line, ()))
        fresh = (self._fresh(self._rows[line]) for line in lines)
        return next((spot for spot in (*known, *fresh) if spot is not None), None)

    def _in_prose(self, finding: Finding) -> _Spot | None:
        """The same in the text around a document's code."""
        line = finding.location.line
        for one in self._excuses.directives:
            mark = one.mark
            if mark.in_prose and one.kind == "ignore" and one.codes and one.covers((0, line)):
                at = self._source.original_offset(mark.line, _end_of_codes(mark))
                return None if at is None else _Spot(at, ", ")
        spot = prose_spot(self._source, line)
        if spot is None:
            return None
        at = self._source.original_offset(spot.line, spot.column)
        return None if at is None else _Spot(at, spot.before, spot.after)

    def _extended(self, one: Directive) -> _Spot | None:
        at = self._source.offset(one.mark.line, _end_of_codes(one.mark))
        return None if at is None else _Spot(at, ", ")

    def _fresh(self, row: int) -> _Spot | None:
        code = self._source.code_lines[row - 1]
        if row not in self._open or not self._is_as_written(row, code):
            return None
        at = self._source.offset(row, len(code.rstrip(_BLANK)))
        return None if at is None else _Spot(at, "  # trainlint: ignore[", "]")

    def _is_as_written(self, row: int, code: str) -> bool:
        """Whether a line of a document is the end of its original, tabs and all."""
        at = self._source.location(row, 0, row, 0)
        return self._source.kind != "document" or (
            self._source.lines[at.line - 1][at.column - 1 :].rstrip() == code.rstrip()
        )

    @cached_property
    def _rows(self) -> dict[Line, int]:
        """The line of the code that each line of the original is."""
        places = self._source.places
        if not places:
            return {(0, row): row for row in range(1, len(self._source.code_lines) + 1)}
        return {(place.cell, place.line): row for row, place in enumerate(places, 1)}

    @cached_property
    def _known(self) -> dict[Line, list[Directive]]:
        """The suppressions with a list of codes of ours, by the line that they stand on."""
        found: dict[Line, list[Directive]] = {}
        for one in self._excuses.directives:
            if one.mark.in_prose or not _is_list_of_ours(one):
                continue
            at = self._source.location(one.mark.line, 0, one.mark.line, 0)
            found.setdefault((at.cell, at.line), []).append(one)
        return found

    @cached_property
    def _open(self) -> set[int]:
        """The lines of the code whose end is no string's, and not joined to the next line."""
        found, depth = set(), 0
        for token in tokens_of(self._source):
            kind = tokenize.tok_name[token.type]
            depth += (kind in _OPENING) - (kind in _CLOSING)
            if kind in ("NEWLINE", "NL") and depth == 0:
                found.add(token.start[0])
        return found


def _end_of_codes(mark: Mark) -> int:
    """The column after the last code that a suppression lists, in brackets or without."""
    in_brackets = mark.comment[mark.end - mark.comment_start - 1] == "]"
    return mark.end - 1 if in_brackets else mark.end


def _is_list_of_ours(one: Directive) -> bool:
    """Whether it names codes one by one, and is one that other tools do not have to read."""
    if not one.codes:
        return False
    return one.kind == "ignore" or (
        one.kind == "noqa" and any(code.upper().startswith("TRN") for code in one.codes)
    )
