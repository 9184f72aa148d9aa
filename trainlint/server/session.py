"""What is known of the open documents, and what the editor was told of them."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from trainlint.lint.files import Unwritten
from trainlint.lint.problem import Problem
from trainlint.server.diagnostics import Places, Told, told_of
from trainlint.server.documents import Document, document_of, encoding_name
from trainlint.server.looking import Looked, fixed_text, look
from trainlint.server.scheduling import Checks, Worker

# Seconds without an edit: until what is edited is checked, and until what depends on it is.
PAUSE = 0.15
LONG_PAUSE = 0.8


@dataclass(frozen=True)
class _Known:
    """A look at a document, and what is to be told of it, by the real path of its file."""

    looked: Looked
    told: Sequence[tuple[str, Told]]


class Session:
    """The documents of one editor. All of it runs on the event loop, but for the looks."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._worker = Worker()
        self._known: dict[str, _Known] = {}
        self._outdated: set[str] = set()
        self._published: dict[str, list[types.Diagnostic]] = {}
        self.checks = Checks(self._check)

    # -- what the editor has open --------------------------------------------------------------

    @property
    def encoding(self) -> str:
        """How the editor counts columns."""
        return encoding_name(self._server.workspace.position_encoding)

    def document(self, uri: str) -> Document | None:
        """An open document as it stands; None for what is not open, or not read."""
        open_ = self._server.workspace.text_documents.get(unquote(uri))
        return None if open_ is None else self._document(open_)

    def documents(self) -> Iterator[Document]:
        """All that are open and read."""
        for open_ in list(self._server.workspace.text_documents.values()):
            document = self._document(open_)
            if document is not None:
                yield document

    def _document(self, open_: TextDocument) -> Document | None:
        return document_of(open_, self._server.workspace.root_path or os.getcwd())

    def unwritten(self) -> Unwritten:
        """The text of all that is open, as if it were saved."""
        return {one.real: one.data for one in self.documents() if one.on_disk}

    def _top(self, path: str) -> str:
        """The folder that the editor has open around a file."""
        workspace = self._server.workspace
        folders = [to_fs_path(folder.uri) for folder in workspace.folders.values()]
        around = [
            folder
            for folder in (*folders, workspace.root_path)
            if folder and os.path.abspath(path).startswith(os.path.join(folder, ""))
        ]
        return max(around, key=len, default=os.path.abspath(os.sep))

    # -- checking ------------------------------------------------------------------------------

    def changed(self, uri: str, delay: float) -> None:
        """Check a document soon, and after it the others that its text counts for."""
        self.checks.soon(uri, delay)
        self.checks.later([one.uri for one in self.documents() if one.uri != uri], LONG_PAUSE)

    def all_changed(self) -> None:
        """Check all documents anew: what they were read from may have changed on the disk."""
        uris = [one.uri for one in self.documents()]
        self._outdated.update(uris)
        self.checks.later(uris, PAUSE)

    def closed(self, uri: str) -> None:
        """Forget a document."""
        self.checks.drop(uri)
        self._known.pop(uri, None)
        self._publish(uri)
        self.checks.later([one.uri for one in self.documents()], LONG_PAUSE)

    async def _check(self, uri: str) -> None:
        document = self.document(uri)
        if document is None:
            return
        known = self._known.get(uri)
        before = None if known is None or uri in self._outdated else known.looked
        self._outdated.discard(uri)
        looked = await self._look(document, before)
        current = self.document(uri)
        if current is None or current.data != document.data:
            return  # a newer text is checked by itself
        if looked is not before:
            open_ = {one.real: one.uri for one in self.documents()}
            places = Places(looked, self.encoding, open_)
            self._known[uri] = _Known(looked, list(told_of(looked, places)))
            self._publish(uri)

    async def _look(self, document: Document, before: Looked | None) -> Looked:
        top = self._top(document.path)
        job = functools.partial(look, document, self.unwritten(), top, before)
        try:
            return await self._worker.do(job)
        except Exception as error:  # the editor is told, and the next edit may go well
            logging.getLogger(__name__).exception("checking %s", document.path)
            text = f"internal error: {type(error).__name__}: {error}"
            problem = Problem(document.path, text, "this is a bug in trainlint: report it")
            return Looked(document, problems=[problem])

    async def fixed(self, document: Document) -> str:
        """The text of a document with all that safe fixes can mend."""
        job = functools.partial(fixed_text, document, self.unwritten())
        return await self._worker.do(job)

    # -- telling -------------------------------------------------------------------------------

    async def told(self, document: Document) -> list[Told]:
        """What is told of a document as it stands; none where it was edited meanwhile."""
        await self.checks.settled(document.uri)
        known = self._known.get(document.uri)
        if known is None or known.looked.document.data != document.data:
            return []
        return self._merged(document.real, document)

    def _merged(self, real: str, document: Document | None) -> list[Told]:
        """What is told of a file, by looks at it and at others that import it, each thing once."""
        found: dict[tuple[object, ...], Told] = {}
        for known in self._known.values():
            for path, told in known.told:
                seen = told.source.data if told.source is not None else None
                own = document is not None and known.looked.document.uri == document.uri
                if path == real and (document is None or own or seen == document.data):
                    found.setdefault(told.key, told)
        return list(found.values())

    def _publish(self, uri: str) -> None:
        """Tell the editor of a document, and of the files in which something else is new."""
        open_ = {one.real: one for one in self.documents()}
        touched = {path for known in self._known.values() for path, _ in known.told}
        told: dict[str, list[types.Diagnostic]] = {}
        for real in touched | set(open_):
            document = open_.get(real)
            found = self._merged(real, document)
            name = document.uri if document is not None else found[0].uri if found else None
            if name is not None:
                told[name] = [one.diagnostic for one in found]
        for name in {uri, *told, *self._published}:
            diagnostics = told.get(name, [])
            if name == uri or diagnostics != self._published.get(name, []):
                self._send(name, diagnostics)
        self._published = {name: found for name, found in told.items() if found}

    def _send(self, uri: str, diagnostics: list[types.Diagnostic]) -> None:
        document = self.document(uri)
        version = document.version if document is not None else None
        self._server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, diagnostics, version)
        )
