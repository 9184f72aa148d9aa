"""The documents that an editor has open: their text, and the file that each stands for."""

from __future__ import annotations

import io
import os
import tokenize
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path, uri_scheme
from pygls.workspace import TextDocument

from trainlint.lint.files import STDIN, Unwritten, is_document, is_python
from trainlint.server.positions import Positions

_NOTEBOOK = ".ipynb"

# What a document is called that has no name by which its kind could be told.
_SUFFIXES = {"python": ".py", "markdown": ".md", "restructuredtext": ".rst"}


class OpenDocument(TextDocument):
    """A document whose edits count lines as the protocol does: a form feed ends none."""

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        """Take over an edit of the editor's."""
        if isinstance(change, types.TextDocumentContentChangeWholeDocument):
            self._source = change.text
            return
        text = self.source
        places = Positions(text, encoding_name(self.position_codec.encoding))
        start, end = places.index(change.range.start), places.index(change.range.end)
        self._source = text[:start] + change.text + text[end:]


def encoding_name(encoding: types.PositionEncodingKind | str | None) -> str:
    """What the protocol calls an encoding of columns: utf-16 unless another was agreed on."""
    if encoding is None:
        return "utf-16"
    return encoding.value if isinstance(encoding, types.PositionEncodingKind) else encoding


@dataclass(frozen=True)
class Document:
    """A document as it stood at one moment; `path` is what it is called in what is told of it."""

    uri: str
    path: str
    on_disk: bool  # whether it has a path of its own, by which others can import it
    text: str
    data: bytes
    version: int | None

    @property
    def named(self) -> str:
        """What to check in order to check it."""
        return self.path if self.on_disk else STDIN

    @property
    def real(self) -> str:
        """Its key among what is not written yet."""
        return os.path.realpath(self.path) if self.on_disk else STDIN

    @property
    def unwritten(self) -> Unwritten:
        """Its text, as what is to be written."""
        return {self.real: self.data}


def document_of(open_: TextDocument, root: str) -> Document | None:
    """What is to be checked of an open document; None for what trainlint does not read.

    `root` is the folder in which a document lies that was never saved.
    """
    path = to_fs_path(open_.uri)
    if path is None:
        if uri_scheme(open_.uri) != "untitled":
            return None  # an old version in a git view, a notebook's cell: no file of the project
        path = os.path.join(root, os.path.basename(open_.path) or "Untitled")
    on_disk = uri_scheme(open_.uri) == "file"
    if Path(path).suffix.lower() == _NOTEBOOK:
        return None
    if not (is_python(path) or is_document(path)):
        suffix = _SUFFIXES.get(open_.language_id or "")
        if suffix is None:
            return None
        path, on_disk = path + suffix, False
    text = open_.source
    return Document(open_.uri, path, on_disk, text, bytes_of(text, path), open_.version)


def bytes_of(text: str, path: str) -> bytes:
    """What would be written of a text: Python in the encoding that it declares."""
    data = text.encode("utf-8", "surrogatepass")
    if not is_python(path):
        return data
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data if encoding.startswith("utf-8") else text.encode(encoding)
    except (SyntaxError, UnicodeError):
        return data  # reading it tells what is wrong


def uri_of(path: str) -> str:
    """The URI of a file that is not open."""
    return str(from_fs_path(os.path.abspath(path)))
