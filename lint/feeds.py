"""Form feeds at the start of lines: Python passes them over, and libcst loses them.

What is parsed is the code without them, and the columns are counted on from where they stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trainlint.lint.source import split_lines
from trainlint.lint.tokens import NO_TOKENS, tokens

_FEED = re.compile(r"^[ \t]*\x0c[ \t\x0c]*", re.MULTILINE)
_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Plain:
    """A code as libcst is given it, and how many characters were taken from the start of a line."""

    code: str
    taken: Mapping[int, int] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """Its lines, line ends taken off."""
        return split_lines(self.code)


def without_feeds(code: str) -> Plain:
    """A code without the form feeds that begin its lines, and what stands before them there."""
    if "\x0c" not in code or not _FEED.search(_ENDS.sub("\n", code)):
        return Plain(code)
    try:
        inside = set(_rows_in_strings(code))
    except NO_TOKENS:
        return Plain(code)
    taken: dict[int, int] = {}
    pieces, ends = split_lines(code), [*_ENDS.findall(code), ""]
    for row, line in enumerate(pieces, 1):
        found = None if row in inside else _FEED.match(line)
        if found is not None:
            taken[row] = found[0].rindex("\x0c") + 1
            pieces[row - 1] = line[taken[row] :]
    return Plain("".join(map("".join, zip(pieces, ends, strict=True))), taken)


def _rows_in_strings(code: str) -> Iterator[int]:
    """The lines that begin within a string."""
    for token in tokens(code):
        yield from range(token.start[0] + 1, token.end[0] + 1)
