"""`trainlint explain` and `trainlint rules`: the manuals, for each kind of reader."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import click
import pytest
from command import ROOT, trainlint

from trainlint.registry import load_all


def _on_a_terminal(*arguments: str, **env: str) -> str:
    """What a command prints where standard output is a terminal."""
    leader, follower = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "trainlint", *arguments],
        stdout=follower, cwd=ROOT, env={**clean, "TERM": "xterm", **env},
    )  # fmt: skip
    os.close(follower)
    read = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        read += piece
    os.close(leader)
    assert process.wait(60) == 0
    return read.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_the_same_words() -> None:
    plain = trainlint("explain", "TRN201").stdout
    assert plain.startswith("TRN201 claimed-clipping (warning; rule; clipping")
    assert "\x1b" not in plain
    shown = _on_a_terminal("explain", "TRN201")
    assert click.unstyle(shown) == plain
    assert click.style("Bad:", fg="red", bold=True) in shown
    assert click.style("`.grad`", fg="cyan") in shown
    assert click.style("Source:", bold=True) in shown
    assert _on_a_terminal("explain", "TRN201", NO_COLOR="1") == plain


@pytest.mark.parametrize("wanted", ["TRN201", "trn201", "claimed-clipping", "RUN104"])
def test_markdown_is_the_page(wanted: str) -> None:
    done = trainlint("explain", wanted, "--output-format", "markdown")
    code = "RUN104" if wanted == "RUN104" else "TRN201"
    assert done.stdout == (ROOT / "docs" / "rules" / f"{code}.md").read_text(encoding="utf-8")


def test_no_page_holds_a_tests_marker() -> None:
    for entry in load_all():
        text = (ROOT / "docs" / "rules" / f"{entry.code}.md").read_text(encoding="utf-8")
        assert "# TRN" not in text.replace(f"# {entry.code}:", "", 1)
        assert text.count("```") % 2 == 0


def test_json_holds_the_whole_manual() -> None:
    manual = json.loads(trainlint("explain", "TRN201", "--output-format", "json").stdout)
    assert (manual["code"], manual["kind"], manual["default"]) == ("TRN201", "rule", True)
    assert [example["bad"] for example in manual["examples"]] == [True, False]
    for example in manual["examples"]:
        compile(example["code"], "example", "exec")
    assert manual["fix_safety"].startswith("the fix adds the call")
    assert manual["url"].endswith("/docs/rules/TRN201.md")
