"""What an editor offers to do about a finding: mend it, excuse it, mend all that is safe."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from lsprotocol import types

from trainlint.finding import Fix, is_fixable
from trainlint.ignoring import ignore_fixes
from trainlint.lint.source import Source
from trainlint.reporters.places import position
from trainlint.server.diagnostics import Told
from trainlint.server.documents import Document
from trainlint.server.positions import Positions

FIX_ALL = "source.fixAll.trainlint"
KINDS = (types.CodeActionKind.QuickFix, FIX_ALL)
_LINE_ENDS = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")


class Editing:
    """Makes edits of one document; `versioned` where the editor heeds the version they are of."""

    def __init__(self, document: Document, encoding: str, *, versioned: bool) -> None:
        self._document = document
        self._positions = Positions(document.text, encoding)
        self._versioned = versioned

    def actions(self, told: Sequence[Told]) -> Iterator[types.CodeAction]:
        """All that can be done about findings: first what mends them, then what excuses them."""
        for one in told:
            fix = one.finding.fix if one.finding is not None else None
            if one.finding is not None and fix is not None and is_fixable(one.finding, True):
                unsafe = "" if fix.safe else " (unsafe: may change what the code does)"
                yield self._action(f"{one.finding.code}: {fix.title}{unsafe}", one, fix)
        for one in told:
            fix = self._ignoring(one)
            if one.finding is not None and fix is not None:
                yield self._action(f"Ignore {one.finding.code} on this line", one, fix, mends=False)

    def _ignoring(self, one: Told) -> Fix | None:
        if one.finding is None or one.source is None:
            return None
        return ignore_fixes(one.source, [one.finding]).get(one.finding)

    def _action(self, title: str, one: Told, fix: Fix, mends: bool = True) -> types.CodeAction:
        edits = self._edits(fix, one.source) if one.source is not None else []
        return types.CodeAction(
            title,
            types.CodeActionKind.QuickFix,
            diagnostics=[one.diagnostic],
            is_preferred=True if mends and fix.safe else None,
            edit=self.workspace_edit(edits),
        )

    def _edits(self, fix: Fix, source: Source) -> list[types.TextEdit]:
        return [
            types.TextEdit(
                types.Range(self._at(source, edit.start), self._at(source, edit.end)), edit.content
            )
            for edit in fix.edits
        ]

    def _at(self, source: Source, offset: int) -> types.Position:
        return self._positions.position(*position(source, offset))

    def workspace_edit(self, edits: Sequence[types.TextEdit]) -> types.WorkspaceEdit:
        """Edits of the document, tied to its version where the editor knows how."""
        document = self._document
        if not self._versioned:
            return types.WorkspaceEdit(changes={document.uri: list(edits)})
        named = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
        return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(named, list(edits))])

    def replaced(self, after: str) -> types.WorkspaceEdit:
        """What makes another text of the document's, line by line, so that the cursor stays."""
        old, new = (_LINE_ENDS.split(text) for text in (self._document.text, after))
        at = self._positions.position
        edits = [
            types.TextEdit(types.Range(at(i + 1, 1), at(j + 1, 1)), "".join(new[k:m]))
            for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new).get_opcodes()
            if kind != "equal"
        ]
        return self.workspace_edit(edits)


def fix_all_action(edit: types.WorkspaceEdit | None, uri: str) -> types.CodeAction:
    """Mend all that is safe; without an edit, the editor asks for it once it is chosen."""
    return types.CodeAction(
        "trainlint: fix all that is safe",
        FIX_ALL,
        edit=edit,
        data=None if edit is not None else {"uri": uri},
    )


def is_wanted(kind: str, only: Sequence[str] | None) -> bool:
    """Whether an editor that asks for some kinds of action takes this one."""
    return only is None or any(kind == one or kind.startswith(f"{one}.") for one in only)
