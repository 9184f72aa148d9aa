"""The language server over its own protocol: what is told of a document, and when."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, trainlint
from editor import PATIENCE, editing
from lsprotocol import types
from training_cases import SOFTMAX_MODEL

pytestmark = pytest.mark.asyncio

BROKEN = "import torch\nprint(net)\n"
STEPS = """import torch.nn.functional as F


def loss_of(net, x, y):
    return F.cross_entropy(net(x), y)
"""
TRAIN = """import torch
from data import loader
from model import Net
from steps import loss_of

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for x, y in loader:
    optimizer.zero_grad()
    loss = loss_of(net, x, y)
    loss.backward()
    optimizer.step()
"""
HERE = TRAIN.replace("loss_of(net, x, y)", "torch.nn.functional.cross_entropy(net(x), y)")


def codes(found: list[types.Diagnostic]) -> list[tuple[str | int | None, int]]:
    """(code, line from 0) of each."""
    return [(one.code, one.range.start.line) for one in found]


# -- what is told ----------------------------------------------------------------------------------


async def test_a_finding_is_told_whole(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        (one,) = await editor.open("a.py", BROKEN)
        assert one.code == "TRN001"
        assert one.source == "trainlint"
        assert one.severity is types.DiagnosticSeverity.Error
        assert one.message == "`net` is used, but nothing binds it"
        assert one.range == types.Range(types.Position(1, 6), types.Position(1, 9))
        assert one.code_description is not None
        assert one.code_description.href.endswith("docs/rules/TRN001.md")


async def test_it_goes_as_the_text_is_mended_and_as_it_is_closed(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        assert await editor.open("a.py", BROKEN)
        editor.replace("a.py", "import torch\nnet = 1\nprint(net)\n")
        assert await editor.diagnostics("a.py") == []
        editor.replace("a.py", BROKEN)
        assert await editor.diagnostics("a.py")
        editor.close("a.py")
        assert await editor.until("a.py", lambda found: not found) == []


async def test_what_belongs_to_it_is_told_with_its_file(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        editor.write("model.py", SOFTMAX_MODEL)
        (one,) = await editor.open("train.py", HERE)
        assert one.code == "TRN401"
        related = {
            (Path(place.location.uri).name, place.location.range.start.line): place.message
            for place in one.related_information or ()
        }
        assert related["model.py", 6] == "the layer is made here"


async def test_what_lies_in_a_file_that_is_imported_is_told_there(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        editor.write("model.py", SOFTMAX_MODEL)
        editor.write("steps.py", STEPS)
        assert await editor.open("train.py", TRAIN) == []
        (one,) = await editor.until("steps.py", bool)
        assert codes([one]) == [("TRN401", 4)]
        assert codes(await editor.open("steps.py", STEPS)) == [("TRN401", 4)]  # once
        editor.close("train.py")
        assert await editor.until("steps.py", lambda found: not found) == []


async def test_an_unused_suppression_is_shown_as_unnecessary(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        (one,) = await editor.open("a.py", "import torch  # trainlint: ignore[TRN001]\n")
        assert one.code == "TRN000"
        assert one.severity is types.DiagnosticSeverity.Warning
        assert list(one.tags or ()) == [types.DiagnosticTag.Unnecessary]


# Name: a text, what is told of it, and on which line.
UNREADABLE = {
    "a.py": ("import torch\nx = (\n", "syntax error: '(' was never closed", 1),
    "b.py": ("import torch\n\0\n", "NUL", 1),
    "c.py": ("# coding: nonsense\nimport torch\n", "unknown encoding", 0),
    "d.py": ("# coding: ascii\nimport torch\nx = 'é'\n", "not ASCII", 2),
}


async def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        for name, (text, message, line) in UNREADABLE.items():
            (one,) = await editor.open(name, text)
            assert message in one.message
            assert one.range.start.line == line
            assert one.severity is types.DiagnosticSeverity.Error
            assert one.code is None
            assert await editor.actions(name, line) == {}
            assert await editor.hover(name, line, one.range.start.character) is None
            editor.replace(name, BROKEN)
            assert codes(await editor.diagnostics(name)) == [("TRN001", 1)]


# -- which documents -------------------------------------------------------------------------------

TWICE = "loss = torch.nn.functional.cross_entropy(torch.softmax(x, 1), y)\n"
MARKDOWN = f"# Training\n\n```python\nimport torch\n{TWICE}```\n"

# Name: the language that the editor takes it for, the text, and what is told; None for nothing.
DOCUMENTS: dict[str, tuple[str, str, list[Any] | None]] = {
    "a.md": ("markdown", MARKDOWN, [("TRN401", 4)]),
    "a.rst": ("restructuredtext", f"Training::\n\n    import torch\n    {TWICE}", [("TRN401", 3)]),
    "train": ("python", BROKEN, [("TRN001", 1)]),
    "untitled:Untitled-1": ("python", BROKEN, [("TRN001", 1)]),
    "untitled:Untitled-2": ("markdown", MARKDOWN, [("TRN401", 4)]),
    "a.ipynb": ("json", "{}", None),
    "a.c": ("c", "torch", None),
    "git:/a.py?HEAD": ("python", BROKEN, None),
    "vscode-notebook-cell:/a.ipynb#W0": ("python", BROKEN, None),
    "venv/lib/site-packages/a.py": ("python", BROKEN, []),
}


async def test_which_documents_are_checked(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        for name, (language, text, expected) in DOCUMENTS.items():
            found = await editor.open(name, text, language, answered=expected is not None)
            assert codes(found) == (expected or []), name
        assert codes(await editor.open("z.py", BROKEN)) == [("TRN001", 1)]
        quiet = {editor.uri(name) for name, one in DOCUMENTS.items() if one[2] is None}
        assert not quiet & set(editor.told)


# -- the configuration -----------------------------------------------------------------------------

# A line of the configuration, and what is told of a file below it.
CONFIGURATIONS = {
    'select = ["TRN1"]': [],
    'ignore = ["TRN001"]': [],
    'extend-select = ["TRN910"]': ["TRN001"],
    'per-file-ignores = { "deep/*.py" = ["TRN0"] }': [],
    'exclude = ["deep/"]': [],
    'severity = { TRN001 = "info" }': ["TRN001"],
}


async def test_the_nearest_configuration_counts(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        for number, (line, expected) in enumerate(CONFIGURATIONS.items()):
            (tmp_path / f"{number}/deep").mkdir(parents=True)
            editor.write(f"{number}/pyproject.toml", f"[tool.trainlint]\n{line}\n")
            found = await editor.open(f"{number}/deep/a.py", BROKEN)
            assert [one.code for one in found] == expected, line
        assert found[0].severity is types.DiagnosticSeverity.Information
        editor.write(f"{number}/deep/trainlint.toml", 'severity = { TRN001 = "warning" }\n')
        editor.replace(f"{number}/deep/a.py", BROKEN + "\n")
        (one,) = await editor.diagnostics(f"{number}/deep/a.py")
        assert one.severity is types.DiagnosticSeverity.Warning


async def test_a_configuration_is_read_again_when_it_changes(tmp_path: Path) -> None:
    watching = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    workspace = types.WorkspaceClientCapabilities(did_change_watched_files=watching)
    async with editing(tmp_path, types.ClientCapabilities(workspace=workspace)) as editor:
        await editor.wait(lambda: bool(editor.registered))
        watchers = editor.registered[0].register_options["watchers"]  # type: ignore[index]
        assert "pyproject.toml" in str(watchers)
        assert await editor.open("a.py", BROKEN)
        editor.write("trainlint.toml", 'ignore = ["TRN001"]\n')
        event = types.FileEvent(editor.uri("trainlint.toml"), types.FileChangeType.Created)
        editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
        assert await editor.until("a.py", lambda found: not found) == []


async def test_a_broken_configuration_is_told_and_mended(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        editor.write("trainlint.toml", 'selct = ["TRN001"]\n')
        (one,) = await editor.open("a.py", BROKEN)
        assert "trainlint.toml" in one.message
        assert "did you mean `select`?" in one.message
        editor.write("trainlint.toml", 'select = ["TRN001"]\n')
        editor.save("a.py")
        assert await editor.until("a.py", lambda found: codes(found) == [("TRN001", 1)])


# -- other documents -------------------------------------------------------------------------------


async def test_what_is_open_and_unsaved_counts_for_the_others(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        editor.write("model.py", SOFTMAX_MODEL)
        assert codes(await editor.open("train.py", HERE)) == [("TRN401", 9)]
        without = SOFTMAX_MODEL.replace(", nn.Softmax(dim=1)", "")
        assert await editor.open("model.py", without) == []
        assert await editor.until("train.py", lambda found: not found) == []
        editor.replace("model.py", SOFTMAX_MODEL)
        assert await editor.until("train.py", lambda found: codes(found) == [("TRN401", 9)])
        editor.replace("model.py", without)
        assert await editor.until("train.py", lambda found: not found) == []
        editor.close("model.py")  # what lies on the disk counts again
        assert await editor.until("train.py", lambda found: codes(found) == [("TRN401", 9)])


async def test_newer_edits_supersede_older_ones_and_nothing_blocks(tmp_path: Path) -> None:
    loop = "for x in loader:\n    x.sum().backward()\n"
    long = "import torch\nfrom data import loader\n" + loop * 400
    async with editing(tmp_path) as editor:
        await editor.open("long.py", long, answered=False)
        assert await editor.actions("unknown.py", 0) == {}  # answered while it is checked
        assert editor.uri("long.py") not in editor.told
        for number in range(50):
            editor.replace("long.py", f"{long}print(net{number})\n")
        found = await editor.diagnostics("long.py")
        assert "`net49`" in next(one.message for one in found if one.code == "TRN001")
        assert len(editor.told[editor.uri("long.py")]) <= 3


# -- how it starts and ends ------------------------------------------------------------------------


def start(stdin: bytes, *arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """The server, with all that an editor ever says to it."""
    return subprocess.run(
        [sys.executable, "-m", "trainlint", "server", *arguments],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        cwd=ROOT,
        env={**os.environ, **env},
        check=False,
    )


def message(method: str, number: int | None = None, **params: Any) -> bytes:
    """One message of the protocol."""
    said: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    body = json.dumps(said if number is None else {**said, "id": number}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_it_ends_as_the_protocol_says() -> None:
    hello = message("initialize", 1, capabilities={}, processId=None, rootUri=None)
    done = start(hello + message("shutdown", 2) + message("exit"), "--stdio")
    assert done.returncode == 0
    assert done.stdout.startswith(b"Content-Length: ")
    assert b"Traceback" not in done.stderr
    assert start(hello + message("exit")).returncode == 1
    assert start(b"").returncode == 1  # the editor is gone


async def test_someone_who_starts_it_by_hand_is_told_and_can_stop_it() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "trainlint", "server"]
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"waits for an editor" in process.stderr.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) in (-signal.SIGINT, 130)
    os.close(ours)
    os.close(theirs)


async def test_without_pygls_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ModuleNotFoundError(name='pygls')\n")
    done = trainlint("server", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: the language server needs pygls, which is not installed\n"
        "  help: pip install 'torch-trainlint[lsp]'\n"
    )
