"""Where the characters of a notebook's cells stand in its JSON, so that an edit keeps the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)
# One character of a JSON string; what lies beyond U+FFFF may be written as two.
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\.|[^\\]",
    re.DOTALL,
)
_PLAIN_SEPARATOR = '", "'


@dataclass(frozen=True)
class CellText:
    """The source of one cell: where each of its characters begins in the JSON, and the last ends.

    `separator` stands between two lines in a list of lines, both quotes included; it is empty
    where the source is one string.
    """

    text: str
    starts: tuple[int, ...]
    separator: str
    ascii_only: bool

    def offset(self, line: int, column: int) -> int | None:
        """The character of the JSON at a place in the cell; lines from 1, columns from 0."""
        lengths = [len(one) for one in re.split(r"(?<=\n)|(?<=\r)(?!\n)", self.text)]
        before = [0, *accumulate(lengths)]
        if line > len(lengths) or column > lengths[line - 1]:
            return None
        return self.starts[before[line - 1] + column]

    def spelled(self, content: str) -> str:
        """A text as it has to stand inside the cell's source: a list has each line by itself."""
        lines = [json.dumps(one, ensure_ascii=self.ascii_only)[1:-1] for one in content.split("\n")]
        return f"\\n{self.separator}".join(lines)


def cell_texts(json_text: str, cells: Mapping[int, str]) -> dict[int, CellText]:
    """The sources of cells whose JSON can be edited, by their numbers from 1.

    A cell that reads otherwise than `cells` says (of an old format, of a key given twice) is none.
    """
    found = {}
    ascii_only = json_text.isascii()
    for number, spans in _sources(json_text).items():
        starts = [start for span in spans for start in _starts(json_text, *span)]
        text = "".join(json.loads(json_text[start - 1 : end + 1]) for start, end in spans)
        if spans and text == cells.get(number) and len(starts) == len(text):
            separator = _separator(json_text, spans)
            ends = (*starts, spans[-1][1])
            found[number] = CellText(text, ends, separator, ascii_only)
    return found


def _starts(text: str, start: int, end: int) -> Iterator[int]:
    return (found.start() for found in _CHARACTER.finditer(text, start, end))


def _separator(text: str, spans: list[tuple[int, int]]) -> str:
    """What stands between two lines, or would if there were two."""
    if len(spans) > 1:
        return text[spans[0][1] : spans[1][0]]
    before = re.search(r"\[(\s*)\"$", text[: spans[0][0]][-200:])
    if before is None:
        return "" if not text[: spans[0][0] - 1].rstrip().endswith("[") else _PLAIN_SEPARATOR
    return f'",{before[1]}"' if before[1] else _PLAIN_SEPARATOR


@dataclass
class _Container:
    """An object or a list that is open, and the key or index that comes next in it."""

    is_object: bool
    key: str | int
    awaits_key: bool


def _sources(text: str) -> dict[int, list[tuple[int, int]]]:
    """Of each cell the spans of its source's strings, without the quotes."""
    found: dict[int, list[tuple[int, int]]] = {}
    opened: list[_Container] = []
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        if first in "{[":
            opened.append(_Container(first == "{", "" if first == "{" else 0, first == "{"))
        elif first in "}]":
            opened.pop()
        elif first == '"' and opened and opened[-1].awaits_key:
            opened[-1].key = json.loads(token[0])
        elif first == '"':
            number = _cell_of_source(opened)
            if number is not None:
                found.setdefault(number, []).append((token.start() + 1, token.end() - 1))
        else:
            _advance(opened[-1], first)
    return found


def _advance(container: _Container, mark: str) -> None:
    """Past a colon or a comma."""
    if isinstance(container.key, int):
        container.key += 1
    else:
        container.awaits_key = mark == ","


def _cell_of_source(opened: list[_Container]) -> int | None:
    """The number of the cell if a string here is its source, or a line of it."""
    path = [one.key for one in opened]
    if len(path) not in (3, 4) or path[0] != "cells" or path[2] != "source":
        return None
    if not isinstance(path[1], int) or (len(path) == 4 and opened[3].is_object):
        return None
    return path[1] + 1
