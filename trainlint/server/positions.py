"""Places as an editor counts them: lines from 0, columns in units of the negotiated encoding."""

from __future__ import annotations

import re
from collections.abc import Callable

from lsprotocol import types

from trainlint.finding import Location
from trainlint.lint.problem import Problem

_MARK = "\ufeff"
_LINE_END = re.compile(r"\r\n|\r|\n")


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


_UNITS: dict[str, Callable[[str], int]] = {"utf-8": _utf8, "utf-16": _utf16, "utf-32": len}


class Positions:
    """The places of one text, in an encoding of the protocol: utf-8, utf-16 or utf-32.

    Lines end where the protocol and Python say so, which a form feed, for one, does not do.
    """

    def __init__(self, text: str, encoding: str) -> None:
        ends = list(_LINE_END.finditer(text))
        self._text = text
        self._starts = [0, *(end.end() for end in ends)]
        self._ends = [*(end.start() for end in ends), len(text)]
        self._mark = int(text.startswith(_MARK))  # no finding counts it as a character
        self._units = _UNITS[encoding]

    # -- from ours to the editor's -------------------------------------------------------------

    def position(self, line: int, column: int) -> types.Position:
        """From a line and a column in characters, both from 1; of no line, the text's end."""
        if line > len(self._starts):
            return self._end_of(len(self._starts))
        before = max(column - 1, 0) + (self._mark if line == 1 else 0)
        return types.Position(line - 1, self._units(self._line(line)[:before]))

    def range_of(self, at: Location) -> types.Range:
        """What a location covers: to the end of its line where it does not say."""
        start = self.position(at.line, at.column)
        if at.end_column:
            return types.Range(start, self.position(at.end_line, at.end_column))
        return types.Range(start, self._end_of(max(at.line, at.end_line)))

    def range_of_problem(self, problem: Problem) -> types.Range:
        """What could not be read, up to the end of its line; the first line, if none is named."""
        line = min(problem.line or 1, len(self._starts))
        start, end = self.position(line, problem.column or 1), self._end_of(line)
        return types.Range(self.position(line, 1) if start == end else start, end)

    def _end_of(self, line: int) -> types.Position:
        line = min(line, len(self._starts))
        return types.Position(line - 1, self._units(self._line(line)))

    def _line(self, line: int) -> str:
        return self._text[self._starts[line - 1] : self._ends[line - 1]]

    # -- from the editor's to ours -------------------------------------------------------------

    def index(self, position: types.Position) -> int:
        """The character at a position; what lies beyond a line, or the text, counts as its end."""
        if position.line >= len(self._starts):
            return len(self._text)
        line = self._line(position.line + 1)
        return self._starts[position.line] + self._characters(line, position.character)

    def _characters(self, line: str, units: int) -> int:
        if line.isascii():
            return min(units, len(line))
        taken = 0
        for index, character in enumerate(line):
            if taken >= units:
                return index
            taken += self._units(character)
        return len(line)
