"""Markdown, and plain text as if it were: code blocks and prose, with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from trainlint.lint.documents import Listing, places_of
from trainlint.lint.source import Prose, split_lines

_KINDS = {
    "list_item_open": "list",
    "blockquote_open": "quote",
    "heading_open": "heading",
    "td_open": "table",
    "th_open": "table",
}


def read_parts(text: str) -> tuple[list[Listing], list[Prose]]:
    """The code blocks and the prose of a Markdown text, in order."""
    original = split_lines(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return list(_listings(tokens, original)), list(_prose(tokens))


def _listings(tokens: Sequence[Token], original: Sequence[str]) -> Iterator[Listing]:
    for token in tokens:
        if token.type not in ("fence", "code_block") or token.map is None:
            continue
        lines = split_lines(token.content.removesuffix("\n"))
        # A fence's first line is its opening.
        start = token.map[0] + (1 if token.type == "fence" else 0)
        yield Listing(token.info.strip(), tuple(lines), places_of(lines, original, start))


def _prose(tokens: Sequence[Token]) -> Iterator[Prose]:
    around: list[str] = []
    section: list[tuple[int, str]] = []
    for token in tokens:
        if token.type in _KINDS:
            around.append(token.type)
        elif token.type.endswith("_close") and token.type.replace("_close", "_open") in _KINDS:
            around.pop()
        elif token.type == "inline" and token.map is not None:
            kind = _KINDS[around[-1]] if around else "paragraph"
            text = _without_comments(token.content)
            yield Prose(text, kind, token.map[0] + 1, tuple(t for _, t in section))
            if kind == "heading":
                level = token.level
                section = [*(one for one in section if one[0] < level), (level, text.strip())]


def _without_comments(text: str) -> str:
    """A text in which blanks stand for HTML comments, which no reader sees."""
    pieces, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        pieces += [text[at:start], re.sub(r"[^\r\n]", " ", text[start : end + 3])]
        at = end + 3
    return "".join([*pieces, text[at:]])
