"""Where a suppression goes in the prose of a document, so that a reader sees nothing of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from trainlint.lint.source import Source, decode_text

_OURS = re.compile(r"<!-- trainlint: ignore\[[^\]\n]*\] -->")
_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True)
class ProseSpot:
    """A line and column of a document, from 1 and from 0, and what is written around the codes."""

    line: int
    column: int
    before: str
    after: str


def prose_spot(source: Source, line: int) -> ProseSpot | None:
    """Where a comment excuses a line of prose and shows nowhere; None where there is no place."""
    is_rest = source.path.lower().endswith(".rst")
    spots = _in_rest(source, line) if is_rest else _in_markdown(source, line)
    shown = _shown_rest if is_rest else _shown_markdown
    before = shown(source.text)
    return next((spot for spot in spots if shown(_with(source, spot)) == before), None)


def _in_markdown(source: Source, line: int) -> Iterator[ProseSpot]:
    """At the end of the line, or above the paragraph that it opens."""
    text = source.lines[line - 1]
    for end in dict.fromkeys(_ends(text)):
        yield ProseSpot(line, end, " <!-- trainlint: ignore[", "] -->")
    newline = source.original_newline(line)
    indent = _indent(text)
    yield ProseSpot(line, len(indent), "<!-- trainlint: ignore[", f"] -->{newline}{indent}")


def _ends(text: str) -> Iterator[int]:
    """The end of a line, without a mark that breaks it, or marks that close a heading."""
    text = text.rstrip()
    yield len(text)
    yield len(text.removesuffix("\\"))
    yield len(text.rstrip("#").rstrip())


def _in_rest(source: Source, line: int) -> Iterator[ProseSpot]:
    """Above the paragraph, as a comment of its own."""
    first = line
    while first > 1 and source.lines[first - 2].strip():
        first -= 1
    indent, newline = _indent(source.lines[first - 1]), source.original_newline(line)
    yield ProseSpot(
        first, len(indent), ".. trainlint: ignore[", f"]{newline}{newline}{indent}"
    )  # fmt: skip


def _indent(text: str) -> str:
    found = _INDENT.match(text)
    return found[0] if found is not None else ""


def _with(source: Source, spot: ProseSpot) -> str:
    at = source.original_offset(spot.line, spot.column)
    assert at is not None
    added = f"{spot.before}TRN000{spot.after}".encode()
    return decode_text(source.data[:at] + added + source.data[at:])


@lru_cache(maxsize=8)  # one document has many findings
def _shown_markdown(text: str) -> str:
    """What a reader of the document sees."""
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark").enable("table").render(text)
    return "".join(_OURS.sub("", html).split())


@lru_cache(maxsize=8)
def _shown_rest(text: str) -> str:
    from trainlint.lint.rest import shown

    return shown(text)
