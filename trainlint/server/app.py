"""The server itself: which messages of the protocol it answers, and how."""

from __future__ import annotations

import logging
import signal
import sys
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from trainlint._version import __version__
from trainlint.config.files import NAMES
from trainlint.finding import is_fixable
from trainlint.server.actions import FIX_ALL, KINDS, Editing, fix_all_action, is_wanted
from trainlint.server.diagnostics import Told
from trainlint.server.documents import Document, OpenDocument
from trainlint.server.hovering import manual_of, manuals, suppressed_at
from trainlint.server.session import PAUSE, Session

_WATCHED = ("**/*.py", f"**/{{{','.join(NAMES)}}}")


def serve() -> int:
    """Serve an editor over standard input and output until it says goodbye; 0 if it did."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    # A thread that waits for the editor's next word would hold Ctrl-C up.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Standard output is the editor's: whatever else is printed must not get in between.
    output, sys.stdout = sys.stdout.buffer, sys.stderr
    server = LanguageServer("trainlint", __version__)
    session = Session(server)
    _keep_documents(server, session)
    _watch_files(server, session)
    _answer(server, session)
    goodbyes = _wait_for_goodbye(server)
    server.start_io(sys.stdin.buffer, output)
    return 0 if goodbyes else 1


def _wait_for_goodbye(server: LanguageServer) -> list[None]:
    """A list that has something in it once the editor asked for the end."""
    goodbyes: list[None] = []

    @server.feature(types.SHUTDOWN)
    def ending(params: None) -> None:
        goodbyes.append(None)

    return goodbyes


# -- documents -----------------------------------------------------------------------------------


def _keep_documents(server: LanguageServer, session: Session) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        item, workspace = params.text_document, server.workspace
        workspace.text_documents[unquote(item.uri)] = OpenDocument(
            item.uri,
            item.text,
            item.version,
            item.language_id,
            position_codec=workspace.position_codec,
        )
        session.changed(item.uri, 0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        session.changed(params.text_document.uri, PAUSE)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        session.all_changed()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        session.closed(params.text_document.uri)


# -- the files around them -----------------------------------------------------------------------


def _watch_files(server: LanguageServer, session: Session) -> None:
    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        if not _can_watch(server.client_capabilities):
            return
        watchers = [types.FileSystemWatcher(pattern) for pattern in _WATCHED]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        registration = types.Registration("trainlint.files", method, options)
        try:
            await server.client_register_capability_async(types.RegistrationParams([registration]))
        except JsonRpcException:
            logging.getLogger(__name__).exception("the editor does not watch files")

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed(params: types.DidChangeWatchedFilesParams) -> None:
        session.all_changed()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def configured(params: types.DidChangeConfigurationParams) -> None:
        """The editor's settings say nothing to us: the project's configuration does."""


def _can_watch(capabilities: types.ClientCapabilities) -> bool:
    workspace = capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    return watching is not None and bool(watching.dynamic_registration)


# -- answers -------------------------------------------------------------------------------------


def _answer(server: LanguageServer, session: Session) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        return await _hover(server, session, params)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(KINDS, resolve_provider=True),
    )
    async def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return await _actions(server, session, params)

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def resolve(action: types.CodeAction) -> types.CodeAction:
        data = action.data
        document = session.document(data["uri"]) if isinstance(data, dict) else None
        if document is not None:
            action.edit = await _fix_all(server, session, document)
        return action


async def _hover(
    server: LanguageServer, session: Session, params: types.HoverParams
) -> types.Hover | None:
    kind = _markup(server.client_capabilities)
    markdown = kind is types.MarkupKind.Markdown
    uri, at = params.text_document.uri, params.position
    told = await _told_at(session, uri, types.Range(at, at))
    if told:
        findings = [one.finding for one in told if one.finding is not None]
        text = manuals(findings, markdown=markdown)
        return types.Hover(types.MarkupContent(kind, text), told[0].diagnostic.range)
    document = session.document(uri)
    code = suppressed_at(document.text, at, session.encoding) if document is not None else None
    text = manual_of(code, markdown=markdown) if code is not None else ""
    return types.Hover(types.MarkupContent(kind, text)) if text else None


async def _actions(
    server: LanguageServer, session: Session, params: types.CodeActionParams
) -> list[types.CodeAction]:
    document = session.document(params.text_document.uri)
    if document is None:
        return []
    only = [getattr(kind, "value", kind) for kind in params.context.only or ()] or None
    found: list[types.CodeAction] = []
    if is_wanted(types.CodeActionKind.QuickFix.value, only):
        told = await _told_at(session, document.uri, params.range)
        found += _editing(server, session, document).actions(told)
    if is_wanted(FIX_ALL, only):
        told = await session.told(document)
        if any(one.finding is not None and is_fixable(one.finding, False) for one in told):
            late = _can_resolve(server.client_capabilities)
            edit = None if late else await _fix_all(server, session, document)
            found.append(fix_all_action(edit, document.uri))
    return found


async def _fix_all(
    server: LanguageServer, session: Session, document: Document
) -> types.WorkspaceEdit:
    after = await session.fixed(document)
    return _editing(server, session, document).replaced(after)


def _editing(server: LanguageServer, session: Session, document: Document) -> Editing:
    versioned = _takes_versions(server.client_capabilities)
    return Editing(document, session.encoding, versioned=versioned)


async def _told_at(session: Session, uri: str, at: types.Range) -> list[Told]:
    """The findings of a document that a range touches."""
    document = session.document(uri)
    if document is None:
        return []
    told = await session.told(document)
    return [one for one in told if one.finding and _touch(one.diagnostic.range, at)]


def _touch(one: types.Range, other: types.Range) -> bool:
    return one.start <= other.end and other.start <= one.end


# -- what the editor can do ----------------------------------------------------------------------


def _markup(capabilities: types.ClientCapabilities) -> types.MarkupKind:
    """Markdown, unless the editor shows plain text only."""
    text = capabilities.text_document
    formats = text.hover.content_format if text is not None and text.hover is not None else None
    plain = formats is not None and types.MarkupKind.Markdown not in formats
    return types.MarkupKind.PlainText if plain else types.MarkupKind.Markdown


def _can_resolve(capabilities: types.ClientCapabilities) -> bool:
    """Whether the editor asks for an action's edit once it is chosen."""
    text = capabilities.text_document
    support = text.code_action.resolve_support if text and text.code_action else None
    return support is not None and "edit" in support.properties


def _takes_versions(capabilities: types.ClientCapabilities) -> bool:
    workspace = capabilities.workspace
    edits = workspace.workspace_edit if workspace is not None else None
    return edits is not None and bool(edits.document_changes)
