"""docs/editors.md: what it tells people to write into their editors' settings."""

from __future__ import annotations

import json
import re
import sys

from command import ROOT, trainlint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")


def _snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def test_each_snippet_starts_the_server() -> None:
    (vscode,) = map(json.loads, _snippets("json"))
    assert vscode["glspc.server.command"] == "trainlint"
    assert vscode["glspc.server.commandArguments"] == ["server"]
    (helix,) = map(tomllib.loads, _snippets("toml"))
    assert helix["language-server"]["trainlint"] == {"command": "trainlint", "args": ["server"]}
    assert "trainlint" in helix["language"][0]["language-servers"]
    others = [*_snippets("lua"), *_snippets("elisp")]
    assert len(others) == 3
    assert all(re.search(r'"trainlint",? "server"', snippet) for snippet in others)
    assert trainlint("server", "--help").returncode == 0


def test_the_extras_are_told_by_their_names() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    named = re.findall(r"torch-trainlint\[(\w+)\]", DOCUMENT)
    assert named == ["lsp", "watch"]
    assert set(named) <= set(extras)
