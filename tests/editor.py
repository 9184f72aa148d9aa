"""An editor as the language server sees it: a client of the protocol, with the server as a process.

Columns that a test speaks of are those of the protocol, in the encoding that was agreed on.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from lsprotocol import types
from pytest_lsp import LanguageClient, make_test_lsp_client

# Seconds; a loaded machine is slow, and nothing here waits for as long without need.
PATIENCE = 60


class Editor:
    """One editor with one folder open; each test asks what a user would see in it."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.server: types.InitializeResult
        self.told: dict[str, list[types.PublishDiagnosticsParams]] = {}
        self.registered: list[types.Registration] = []
        self._news = asyncio.Event()
        self._versions: dict[str, int] = {}
        self._listen()

    def _listen(self) -> None:
        """Remember all that comes, in its order: the client keeps the newest only."""

        def hear(params: types.PublishDiagnosticsParams) -> None:
            self.told.setdefault(params.uri, []).append(params)
            self._news.set()

        def register(params: types.RegistrationParams) -> None:
            self.registered += params.registrations
            self._news.set()

        client: Any = self.client  # its decorators have no types
        client.protocol.fm.features.pop(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(hear)
        client.feature(types.CLIENT_REGISTER_CAPABILITY)(register)

    # -- documents -----------------------------------------------------------------------------

    def uri(self, name: str) -> str:
        """The URI of a file of the folder; a name that is a URI stays."""
        return name if ":" in name else (self.folder / name).as_uri()

    def write(self, name: str, text: str) -> None:
        """Put a file on the disk, past the editor."""
        (self.folder / name).write_bytes(text.encode())

    async def open(
        self, name: str, text: str, language: str = "python", *, answered: bool = True
    ) -> list[types.Diagnostic]:
        """Open a document, whatever the disk holds; what is told of it first, if it is waited."""
        uri = self.uri(name)
        self._versions[uri] = 1
        item = types.TextDocumentItem(uri, language, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.diagnostics(name) if answered else []

    def change(self, name: str, *changes: types.TextDocumentContentChangeEvent) -> None:
        """Edit a document."""
        uri = self.uri(name)
        self._versions[uri] += 1
        document = types.VersionedTextDocumentIdentifier(self._versions[uri], uri)
        params = types.DidChangeTextDocumentParams(document, changes)
        self.client.text_document_did_change(params)

    def replace(self, name: str, text: str) -> None:
        """Set a document's whole text."""
        self.change(name, types.TextDocumentContentChangeWholeDocument(text))

    def save(self, name: str) -> None:
        """Say that a document was saved."""
        document = types.TextDocumentIdentifier(self.uri(name))
        self.client.text_document_did_save(types.DidSaveTextDocumentParams(document))

    def close(self, name: str) -> None:
        """Close a document."""
        document = types.TextDocumentIdentifier(self.uri(name))
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(document))

    # -- what is told --------------------------------------------------------------------------

    async def diagnostics(self, name: str) -> list[types.Diagnostic]:
        """What is told of a document's newest version."""
        uri = self.uri(name)
        return await self.until(name, lambda _: self.told[uri][-1].version == self._versions[uri])

    async def until(
        self, name: str, holds: Callable[[list[types.Diagnostic]], bool]
    ) -> list[types.Diagnostic]:
        """What is told of a file, once it is as expected."""
        uri = self.uri(name)

        def is_told() -> bool:
            return uri in self.told and holds(list(self.told[uri][-1].diagnostics))

        await self.wait(is_told)
        return list(self.told[uri][-1].diagnostics)

    async def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until something that the server says makes it so."""
        while not holds():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), PATIENCE)

    # -- what is asked -------------------------------------------------------------------------

    async def hover(self, name: str, line: int, character: int) -> types.Hover | None:
        """What is shown under the pointer."""
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.HoverParams(document, types.Position(line, character))
        return await self.client.text_document_hover_async(params)

    async def actions(
        self, name: str, line: int, only: Sequence[str] | None = None
    ) -> dict[str, types.CodeAction]:
        """What is offered on a line, by title."""
        place = types.Range(types.Position(line, 0), types.Position(line, 1000))
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.CodeActionParams(document, place, types.CodeActionContext([], only))
        found = await self.client.text_document_code_action_async(params) or []
        assert all(isinstance(one, types.CodeAction) for one in found)
        return {one.title: one for one in found if isinstance(one, types.CodeAction)}


@asynccontextmanager
async def editing(
    folder: Path,
    capabilities: types.ClientCapabilities | None = None,
    **env: str,
) -> AsyncIterator[Editor]:
    """An editor that has a folder open, and says goodbye in the end."""
    client = make_test_lsp_client()
    editor = Editor(client, folder)
    await client.start_io(
        sys.executable, "-m", "trainlint", "server", cwd=folder, env={**os.environ, **env}
    )
    params = types.InitializeParams(
        capabilities or types.ClientCapabilities(),
        root_uri=folder.as_uri(),
        workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name)],
    )
    try:
        editor.server = await client.initialize_session(params)
        yield editor
    finally:
        await _leave(client)


async def _leave(client: LanguageClient) -> None:
    """Say goodbye, and have no process left, whatever went wrong."""
    process: asyncio.subprocess.Process = cast(Any, client)._server
    try:
        await asyncio.wait_for(client.shutdown_session(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
        await cast(Any, client).stop()


def edited(text: str, edits: Sequence[Any], encoding: str = "utf-16") -> str:
    """A text with an editor's edits made, columns counted in an encoding."""
    lines = text.splitlines(keepends=True) or [""]
    starts = [sum(map(len, lines[:index])) for index in range(len(lines) + 1)]

    def index(at: types.Position) -> int:
        if at.line >= len(lines):
            return len(text)
        code = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
        width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
        start = lines[at.line].encode(code)[: at.character * width].decode(code)
        return starts[at.line] + len(start)

    for edit in sorted(edits, key=lambda one: index(one.range.start), reverse=True):
        text = text[: index(edit.range.start)] + edit.new_text + text[index(edit.range.end) :]
    return text
