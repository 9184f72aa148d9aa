"""The language server over its own protocol: places, what is shown on hover, what can be done."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from command import FIXTURES, trainlint
from editor import Editor, edited, editing
from lsprotocol import types
from pygls.workspace import PositionCodec

from trainlint.server.documents import OpenDocument

pytestmark = pytest.mark.asyncio

FIX_ALL = "source.fixAll.trainlint"

# An import that is missing, after what takes one, two, three and four bytes of UTF-8.
WIDE = "import torch\nx = 'aéℝ😀'; y = F.relu(net)\n"
ENCODINGS = {"utf-8": 22, "utf-16": 17, "utf-32": 16}
KINDS = {
    "utf-8": types.PositionEncodingKind.Utf8,
    "utf-16": types.PositionEncodingKind.Utf16,
    "utf-32": types.PositionEncodingKind.Utf32,
}


def that_counts_in(encoding: str) -> types.ClientCapabilities:
    """An editor that counts columns so."""
    general = types.GeneralClientCapabilities(position_encodings=[KINDS[encoding]])
    return types.ClientCapabilities(general=general)


def edits_of(action: types.CodeAction) -> list[types.TextEdit]:
    """The edits of the one document that an action changes."""
    assert action.edit is not None
    assert action.edit.changes is not None
    ((_, edits),) = action.edit.changes.items()
    return list(edits)


# -- places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_columns_are_counted_as_agreed(encoding: str, tmp_path: Path) -> None:
    column = ENCODINGS[encoding]
    async with editing(tmp_path, that_counts_in(encoding)) as editor:
        assert editor.server.capabilities.position_encoding == encoding
        missing, undefined = await editor.open("a.py", WIDE)
        assert missing.code == "TRN002"
        assert missing.range == at(1, column, column + 1)
        assert undefined.range == at(1, column + 7, column + 10)
        ignore = (await editor.actions("a.py", 1))["Ignore TRN001 on this line"]
        text = edited(WIDE, edits_of(ignore), encoding)
        assert text == WIDE.replace("(net)", "(net)  # trainlint: ignore[TRN001]")
        change = types.TextDocumentContentChangePartial(undefined.range, "x")
        editor.change("a.py", change)
        assert [one.code for one in await editor.diagnostics("a.py")] == ["TRN002"]


def at(line: int, start: int, end: int) -> types.Range:
    """A range in one line."""
    return types.Range(types.Position(line, start), types.Position(line, end))


async def test_a_line_ends_where_the_protocol_says(tmp_path: Path) -> None:
    """Python's `splitlines` would end one at a form feed and at a line separator as well."""
    text = "\ufeffimport torch\r\n\f\nx = '\u2028'\rprint(net)\n"
    async with editing(tmp_path) as editor:
        (one,) = await editor.open("a.py", text)
        assert one.range == at(3, 6, 9)
        editor.change("a.py", types.TextDocumentContentChangePartial(one.range, "x + nets"))
        (one,) = await editor.diagnostics("a.py")
        assert one.range == at(3, 10, 14)
        ignore = (await editor.actions("a.py", 3))["Ignore TRN001 on this line"]
        assert edits_of(ignore)[0].range == at(3, 15, 15)
        editor.replace("a.py", "\ufeffnet.cuda(torch)\n")
        assert (await editor.diagnostics("a.py"))[0].range == at(0, 1, 4)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_any_edits_leave_the_text_that_the_editor_has(encoding: str) -> None:
    chance = random.Random(7)
    text = "a\u00e9\u211d\U0001f600\f\r\n\n\rx\u2028y" * 3
    document = OpenDocument("file:///a.py", text, position_codec=PositionCodec(encoding))
    for _ in range(500):
        start = chance.randint(0, len(text))
        end = chance.randint(start, min(len(text), start + 3))
        new = chance.choice(["", "\u00e9", "\U0001f600", "\n", "\f", "\r\n", "net"])
        places = types.Range(place(text, start, encoding), place(text, end, encoding))
        if "\r\n" in (text[start - 1 : start + 1], text[end - 1 : end + 1]):
            continue  # no editor's cursor stands there
        document.apply_change(types.TextDocumentContentChangePartial(places, new))
        text = text[:start] + new + text[end:]
        assert document.source == text


def place(text: str, index: int, encoding: str) -> types.Position:
    """Where a character stands, counted one by one."""
    lines = re.split("\r\n|\r|\n", text[:index])
    code = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    return types.Position(len(lines) - 1, len(lines[-1].encode(code)) // width)


async def test_what_lies_beyond_a_line_or_the_text_counts_as_its_end() -> None:
    document = OpenDocument("file:///a.py", "ab\nc", position_codec=PositionCodec())
    document.apply_change(types.TextDocumentContentChangePartial(at(0, 1, 90), "x"))
    assert document.source == "ax\nc"
    document.apply_change(types.TextDocumentContentChangePartial(at(9, 0, 3), "y"))
    assert document.source == "ax\ncy"


# -- on hover --------------------------------------------------------------------------------------


async def test_the_manual_is_shown_on_hover(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        (one, _) = await editor.open("a.py", WIDE)
        shown = await editor.hover("a.py", 1, one.range.start.character)
        assert shown is not None
        assert shown.range == one.range
        assert isinstance(shown.contents, types.MarkupContent)
        assert shown.contents.kind is types.MarkupKind.Markdown
        assert "[TRN002](https://" in shown.contents.value
        assert "```python\n" in shown.contents.value
        assert await editor.hover("a.py", 0, 0) is None


async def test_the_manual_of_what_a_comment_suppresses_is_shown_too(tmp_path: Path) -> None:
    line = "x = '\U0001f600'; print(net)  # trainlint: ignore[TRN001]"
    end = line.index("TRN001") + 1 + len("TRN001")  # one further on in UTF-16
    text = f"import torch\n{line}\n# TRN001\n"
    async with editing(tmp_path) as editor:
        await editor.open("a.py", text)
        shown = await editor.hover("a.py", 1, end)
        assert shown is not None
        assert isinstance(shown.contents, types.MarkupContent)
        assert "[TRN001](https://" in shown.contents.value
        assert await editor.hover("a.py", 1, end - 8) is None
        assert await editor.hover("a.py", 2, 4) is None


async def test_an_editor_without_markdown_is_given_text(tmp_path: Path) -> None:
    hover = types.HoverClientCapabilities(content_format=[types.MarkupKind.PlainText])
    text = types.TextDocumentClientCapabilities(hover=hover)
    async with editing(tmp_path, types.ClientCapabilities(text_document=text)) as editor:
        (one, _) = await editor.open("a.py", WIDE)
        shown = await editor.hover("a.py", 1, one.range.start.character)
        assert shown is not None
        assert isinstance(shown.contents, types.MarkupContent)
        assert shown.contents.kind is types.MarkupKind.PlainText
        assert "```" not in shown.contents.value


# -- actions ---------------------------------------------------------------------------------------

BROKEN = (FIXTURES / "broken.py").read_text()


async def apply(editor: Editor, name: str, text: str, action: types.CodeAction) -> str:
    """Do what an action says, in the editor; the text after it."""
    after = edited(text, edits_of(action))
    for edit in sorted(edits_of(action), key=lambda one: one.range.start, reverse=True):
        editor.change(name, types.TextDocumentContentChangePartial(edit.range, edit.new_text))
    return after


async def test_a_finding_can_be_mended_or_ignored(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        found = await editor.open("a.py", BROKEN)
        assert [one.code for one in found] == ["TRN002", "TRN001", "TRN201", "TRN701"]
        (safe,) = starting("TRN701: ", await editor.actions("a.py", 39))
        assert safe.is_preferred
        assert [one.code for one in safe.diagnostics or ()] == ["TRN701"]
        offered = await editor.actions("a.py", 37)
        (unsafe,) = starting("TRN201: ", offered)
        assert "(unsafe" in unsafe.title
        assert not unsafe.is_preferred
        assert "Ignore TRN201 on this line" in offered


async def test_ignoring_excuses_one_finding_after_the_other(tmp_path: Path) -> None:
    text = "import torch\nprint(F.relu(net))\n"
    async with editing(tmp_path) as editor:
        await editor.open("a.py", text)
        for code, left in (("TRN001", ["TRN002"]), ("TRN002", [])):
            action = (await editor.actions("a.py", 1))[f"Ignore {code} on this line"]
            text = await apply(editor, "a.py", text, action)
            assert [one.code for one in await editor.diagnostics("a.py")] == left
        assert text.endswith("print(F.relu(net))  # trainlint: ignore[TRN001, TRN002]\n")
        assert await editor.actions("a.py", 1) == {}


async def test_what_the_actions_do_is_what_fix_does(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BROKEN)
    trainlint("check", "--fix", "--unsafe-fixes", "a.py", cwd=tmp_path)
    async with editing(tmp_path) as editor:
        text = BROKEN
        found = await editor.open("a.py", text)
        for code in ("TRN002", "TRN201", "TRN701"):
            (line,) = [one.range.start.line for one in found if one.code == code]
            (action,) = starting(f"{code}: ", await editor.actions("a.py", line))
            text = await apply(editor, "a.py", text, action)
            found = await editor.diagnostics("a.py")
        assert [one.code for one in found] == ["TRN001"]  # which has no fix
        assert text == (tmp_path / "a.py").read_text()


def starting(title: str, offered: dict[str, types.CodeAction]) -> list[types.CodeAction]:
    """The actions whose title begins so."""
    return [one for name, one in offered.items() if name.startswith(title)]


async def test_all_that_is_safe_is_mended_at_once(tmp_path: Path) -> None:
    text = "import torch\nx = '😀'; print(F.relu(x))  # trainlint: ignore[TRN1]\nnn.Linear(2, 2)\n"
    (tmp_path / "a.py").write_text(text)
    trainlint("check", "--fix", "a.py", cwd=tmp_path)
    mended = (tmp_path / "a.py").read_text()
    assert mended.count("import") == 3
    async with editing(tmp_path) as editor:
        await editor.open("a.py", text)
        for only in (["source.fixAll"], [FIX_ALL], ["source"], None):
            offered = await editor.actions("a.py", 0, only)
            (action,) = [one for one in offered.values() if one.kind == FIX_ALL]
            assert edited(text, edits_of(action)) == mended
            assert only is None or len(offered) == 1
        assert await editor.actions("a.py", 1, ["refactor"]) == {}
        quick = await editor.actions("a.py", 1, ["quickfix"])
        assert {one.kind for one in quick.values()} == {types.CodeActionKind.QuickFix}
        editor.replace("a.py", "import torch\nprint(net)\n")
        assert await editor.actions("a.py", 0) == {}


async def test_an_editor_that_can_asks_for_the_edit_once_it_is_chosen(tmp_path: Path) -> None:
    resolving = types.ClientCodeActionResolveOptions(properties=["edit"])
    actions = types.CodeActionClientCapabilities(resolve_support=resolving)
    capabilities = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True)
        ),
        text_document=types.TextDocumentClientCapabilities(code_action=actions),
    )
    async with editing(tmp_path, capabilities) as editor:
        await editor.open("a.py", WIDE)
        (action,) = (await editor.actions("a.py", 0, [FIX_ALL])).values()
        assert action.edit is None
        chosen = await editor.client.code_action_resolve_async(action)
        assert chosen.edit is not None
        (change,) = chosen.edit.document_changes or ()
        assert isinstance(change, types.TextDocumentEdit)
        assert change.text_document.version == 1
        assert "import torch.nn.functional as F" in edited(WIDE, change.edits)
