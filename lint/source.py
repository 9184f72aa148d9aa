"""A source: a file's text, the code in it, and where each line of the code stands in the file.

A Python file is its own code. A document's or notebook's code is put together from its blocks or
cells; locations always point into the original.
"""

from __future__ import annotations

import codecs
import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from trainlint.finding import Location
from trainlint.lint.problem import Unreadable

if TYPE_CHECKING:
    from trainlint.lint.cell_text import CellText

_LINE_END = re.compile(r"\r\n|\r|\n")
_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Place:
    """Where a line of the code stands: line from 1, and how many characters stand before it."""

    line: int
    column: int = 0
    cell: int = 0


@dataclass(frozen=True)
class Prose:
    """A piece of text around a document's code.

    `kind` is paragraph, list, quote, heading or table; `line` is its first line in the original,
    and `section` the headings above it, outermost first.
    """

    text: str
    kind: str
    line: int
    section: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A piece of Python in a document: first line in the original, and whether it is checked."""

    line: int
    used: bool


@dataclass(eq=False)
class Source:
    """One script, wherever it was found; `kind` is python, document or notebook.

    `places` has one entry for each line of `code`; it is empty where the code is the whole file.
    `cells` holds the text of a notebook's cells, by number from 1.
    """

    path: str
    kind: str
    data: bytes
    text: str
    code: str
    encoding: str = "utf-8"
    places: tuple[Place, ...] = ()
    prose: tuple[Prose, ...] = ()
    blocks: tuple[Block, ...] = ()
    cells: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of_bytes(cls, path: str, data: bytes) -> Source:
        """A Python file; raises Unreadable for what is no text in its encoding."""
        text, encoding = decode_python(data)
        return cls(path, "python", data, text, text, encoding)

    # -- the code ------------------------------------------------------------------------------

    @cached_property
    def code_lines(self) -> list[str]:
        """The lines of the code as Python counts them, line ends taken off."""
        return split_lines(self.code)

    def location(self, line: int, column: int, end_line: int, end_column: int) -> Location:
        """From the code's own positions (lines from 1, columns from 0) to the original's."""
        first, last = self._place(line), self._place(end_line)
        return Location(
            self.path,
            first.line,
            first.column + column + 1,
            last.line,
            last.column + end_column + 1,
            first.cell,
        )

    def offset(self, line: int, column: int) -> int | None:
        """The byte in `data` at a position of the code; None where there is no such byte."""
        place = self._place(line)
        if self.kind == "notebook":
            return self._byte_in_cell(line, column, place)
        return self._byte(place.line, place.column + column)

    def spelled(self, line: int, content: str) -> str:
        """A text as the file has to hold it at a line of the code: in a notebook, as JSON."""
        cell = self.cell_texts.get(self._place(line).cell)
        return content if cell is None else cell.spelled(content)

    def text_before(self, line: int) -> str:
        """What the document puts before a line of its code: a list's indentation, a quote mark."""
        place = self._place(line)
        return self.lines[place.line - 1][: place.column] if place.column else ""

    def _place(self, line: int) -> Place:
        if not self.places:
            return Place(line)
        if line <= len(self.places):
            return self.places[line - 1]
        last = self.places[-1]  # one past the end, where an empty last line would stand
        return Place(last.line + line - len(self.places), last.column, last.cell)

    # -- the original --------------------------------------------------------------------------

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the original text."""
        return split_lines(self.text)

    def newline_at(self, line: int) -> str:
        """The line end of a line of the code, or the one that the code uses elsewhere."""
        place = self._place(line)
        ends = _line_ends(self.cells[place.cell]) if place.cell in self.cells else self._line_ends
        own = ends[place.line - 1] if place.line <= len(ends) else ""
        return own or next((end for end in ends if end), "\n")

    def original_newline(self, line: int) -> str:
        """The line end of a line of the original, or the one that it uses elsewhere."""
        own = self._line_ends[line - 1] if line <= len(self._line_ends) else ""
        return own or next((end for end in self._line_ends if end), "\n")

    def original_offset(self, line: int, column: int) -> int | None:
        """The byte in `data` at a position of the original; None where there is no such byte."""
        return self._byte(line, column)

    @cached_property
    def _line_ends(self) -> list[str]:
        return _line_ends(self.text)

    def excerpt(self, location: Location) -> list[str]:
        """The lines of the original that a location covers; none where it is not of this text."""
        lines = split_lines(self.cells.get(location.cell, "")) if location.cell else self.lines
        return lines[location.line - 1 : max(location.line, location.end_line)]

    def prose_location(self, prose: Prose, offset: int, sentence: str) -> Location:
        """Where a sentence of a piece of prose stands, at a character's offset in its text."""
        before = split_lines(prose.text[:offset])
        first = prose.line + len(before) - 1
        words = split_lines(sentence.rstrip())
        last = first + len(words) - 1
        column = self._find(first, words[0], len(before[-1]))
        end = self._find(last, words[-1], 0) + len(words[-1].strip())
        return Location(self.path, first, column + 1, last, end + 1)

    def _find(self, line: int, text: str, least: int) -> int:
        """Column of a text in an original line, which may begin with a mark that prose lacks."""
        if line > len(self.lines):
            return 0
        at = self.lines[line - 1].find(text.strip(), least)
        return at if at >= 0 else max(self.lines[line - 1].find(text.strip()), 0)

    def _byte(self, line: int, column: int) -> int | None:
        if self._starts is None or line > len(self._starts):
            return None
        start = self._starts[line - 1]
        text = self.lines[line - 1][:column] if line <= len(self.lines) else ""
        return start + len(text.encode(self.encoding))

    def _byte_in_cell(self, line: int, column: int, place: Place) -> int | None:
        """The byte of a place in a cell; None in a line that was rewritten to be Python."""
        cell = self.cell_texts.get(place.cell)
        if cell is None:
            return None
        original = split_lines(cell.text)[place.line - 1]
        code = self.code_lines[line - 1]
        if code != original and (column or original.startswith("%%") or not code.strip()):
            return None
        at = cell.offset(place.line, column)
        return None if at is None else self._mark + len(self.text[:at].encode(self.encoding))

    @cached_property
    def cell_texts(self) -> dict[int, CellText]:
        """The sources of a notebook's cells in its JSON, by number; of those that can be edited."""
        if self.kind != "notebook":
            return {}
        from trainlint.lint.cell_text import cell_texts

        return cell_texts(self.text, self.cells)

    @property
    def _mark(self) -> int:
        """How many bytes stand before the text."""
        return len(codecs.BOM_UTF8) if self.data.startswith(codecs.BOM_UTF8) else 0

    @cached_property
    def _starts(self) -> list[int] | None:
        """The byte at which each line begins; None for an encoding that goes by no such count."""
        at = self._mark
        starts = [at]
        for text, end in zip(self.lines, self._line_ends, strict=True):
            at += len((text + end).encode(self.encoding))
            starts.append(at)
        return starts if at == len(self.data) else None


def split_lines(text: str) -> list[str]:
    """The lines as Python's parser counts them: a form feed, for one, ends none."""
    return _LINE_END.split(text)


def _line_ends(text: str) -> list[str]:
    """The end of each line; the last has none."""
    return [*(found[0] for found in _LINE_END.finditer(text)), ""]


def decode_python(data: bytes) -> tuple[str, str]:
    """A Python file's text, and the encoding that it declares; raises Unreadable."""
    _refuse_binary(data)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            raise Unreadable(str(error), line=1) from None
        encoding = "utf-8"
    return _decode(data, encoding), encoding.removesuffix("-sig")


def decode_text(data: bytes) -> str:
    """A document's text; raises Unreadable where it is not UTF-8."""
    _refuse_binary(data)
    return _decode(data, "utf-8-sig")


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not {encoding.removesuffix('-sig').upper()}: byte 0x{data[error.start]:02x}"
        hint = "save the file as UTF-8, or declare its encoding in the first line"
        raise Unreadable(message, hint, line) from None


def _refuse_binary(data: bytes) -> None:
    if data.startswith(_WIDE_MARKS):
        raise Unreadable("not UTF-8: it begins with the mark of UTF-16 or UTF-32",
                         "save the file as UTF-8")  # fmt: skip
    at = data.find(b"\0")
    if at >= 0:
        raise Unreadable("holds NUL bytes: not a text", line=data.count(b"\n", 0, at) + 1)


def joined(lines: Sequence[str]) -> str:
    """Lines as one code, each with its end."""
    return "".join(f"{line}\n" for line in lines)
