"""On which line of a notebook's JSON each line of a cell stands."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator

# A string, a mark, or a number or word. Linear: each character can be read in one way only.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]|[^\s"\[\]{},]+')

Path = tuple[int | str | None, ...]


def cell_lines(text: str) -> dict[int, list[int]]:
    """By cell, from 1: the lines of the file, from 1, on which the cell's own lines begin.

    `text` is valid JSON. A notebook of a format before 4, whose cells stand elsewhere, has none.
    """
    ends = [found.end() for found in re.finditer("\n", text)]
    found: dict[int, list[int]] = {}
    open_ended: set[int] = set()  # cells whose last piece ended no line
    for path, offset, word in _strings(text):
        if not _is_source(path):
            continue
        cell = int(path[1] or 0) + 1
        starts = found.setdefault(cell, [])
        line, piece = bisect_right(ends, offset) + 1, str(json.loads(word))
        begun = piece.count("\n") - piece.endswith("\n") + (cell not in open_ended)
        starts += [line] * begun
        (open_ended.discard if piece.endswith("\n") else open_ended.add)(cell)
    return found


def _is_source(path: Path) -> bool:
    return len(path) in (3, 4) and path[0] == "cells" and path[2] == "source"


def _strings(text: str) -> Iterator[tuple[Path, int, str]]:
    """Each string that is no key: the keys and indices that lead to it, its offset, its token."""
    path: list[int | str | None] = []  # None: an object's next key is still to come
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in "[{":
            path.append(0 if word == "[" else None)
        elif word in "]}":
            path.pop()
        elif word == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif word[0] == '"':
            if path and path[-1] is None:
                path[-1] = word[1:-1]
            else:
                yield tuple(path), token.start(), word
