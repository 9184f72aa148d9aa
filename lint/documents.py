"""Documents: Markdown, reST and plain text, as one script of their Python blocks, plus their prose.

A document can claim what its code does not do, so both are kept, each with its place. A block
that is no complete Python (an excerpt with a gap, a placeholder) is left out.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainlint.lint.source import Block, Place, Source, decode_text, joined

_PYTHON = re.compile(
    r"^\{?\.?(?:code-block|code-cell|code|sourcecode)?\}?\s*\.?(?:python3?|py3?|pycon|ipython3?)\b",
    re.I,
)
_PROMPT = re.compile(r"^(>>> |\.\.\. |>>>$|\.\.\.$)")


@dataclass(frozen=True)
class Listing:
    """A piece of code in a document, as its own lines and where each begins.

    `language` is empty where the document names none.
    """

    language: str
    lines: tuple[str, ...]
    places: tuple[Place, ...]


def read_document(path: str, data: bytes) -> Source:
    """A document as a source; raises Unreadable where it is not UTF-8."""
    text = decode_text(data)
    if Path(path).suffix.lower() == ".rst":
        from trainlint.lint.rest import read_parts
    else:
        from trainlint.lint.markdown import read_parts
    listings, prose = read_parts(text)
    lines: list[str] = []
    places: list[Place] = []
    blocks: list[Block] = []
    for listing in listings:
        if not _may_be_python(listing):
            continue
        block = _without_prompts(listing)
        used = _parses(block.lines)
        if listing.language or used:
            blocks.append(Block(listing.places[0].line if listing.places else 1, used))
        if used:
            lines += block.lines
            places += block.places
    return Source(
        path, "document", data, text, joined(lines),
        places=tuple(places), prose=tuple(prose), blocks=tuple(blocks),
    )  # fmt: skip


def find_lines(
    lines: Sequence[str], original: Sequence[str], first: int
) -> tuple[Place, ...] | None:
    """Where a block's lines stand in the original, from line `first` on (0-based), in one run.

    Containers take indentation and marks off a block's lines, so each is the end of its original.
    """
    for start in range(first, len(original) - len(lines) + 1):
        if all(
            original[start + index].rstrip().endswith(line.strip())
            for index, line in enumerate(lines)
        ):
            return places_of(lines, original, start)
    return None


def places_of(lines: Iterable[str], original: Sequence[str], start: int) -> tuple[Place, ...]:
    """The places of a block's lines, the first of which is original line `start` (0-based)."""
    places = []
    for index, line in enumerate(lines):
        whole = original[start + index] if start + index < len(original) else ""
        body = line.strip()
        at = whole.rfind(body) if body else len(whole)
        indent = len(line) - len(line.lstrip()) if body else 0
        places.append(Place(start + index + 1, max(at - indent, 0)))
    return tuple(places)


def _may_be_python(listing: Listing) -> bool:
    """A block that says so, or one that says nothing and looks like it."""
    if listing.language:
        return _PYTHON.match(listing.language) is not None
    lines = _without_prompts(listing).lines
    tree = _tree(lines)
    telling = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.For, ast.With)
    return tree is not None and any(isinstance(node, telling) for node in tree.body)


def _without_prompts(listing: Listing) -> Listing:
    """A session as the code that was typed; another block with its indentation taken off."""
    if any(line.startswith(">>>") for line in listing.lines):
        typed = [
            (_PROMPT.sub("", line), Place(place.line, place.column + min(4, len(line))))
            for line, place in zip(listing.lines, listing.places, strict=True)
            if _PROMPT.match(line)
        ]
    else:
        indent = min(
            (len(line) - len(line.lstrip()) for line in listing.lines if line.strip()), default=0
        )
        typed = [
            (line[indent:], Place(place.line, place.column + min(indent, len(line))))
            for line, place in zip(listing.lines, listing.places, strict=True)
        ]
    lines, places = zip(*typed, strict=True) if typed else ((), ())
    return Listing(listing.language, tuple(lines), tuple(places))


def _parses(lines: Sequence[str]) -> bool:
    return _tree(lines) is not None


def _tree(lines: Sequence[str]) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(joined(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
