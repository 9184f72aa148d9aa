"""All rules' cases and manuals, fixed: what comes out parses, and a second run changes nothing."""

from __future__ import annotations

import ast
import codecs
import os
import re
from pathlib import Path

import pytest
from command import FIXTURES, trainlint
from rule_cases import ALL

from trainlint.registry import RULES, load

PARTS = 6
NEWLINES = ("\n", "\r\n", "\r")


def _texts() -> list[dict[str, str]]:
    """The files of each case and manual, and the fixtures."""
    cases = [{name or "case.py": text for name, text in case.files.items()}
             for case in ALL if case.bad]  # fmt: skip
    manuals = [
        {"case.py": example.code}
        for entry in load(RULES)
        for example in entry.manual.examples
        if example.bad
    ]
    fixtures = [{path.name: path.read_text(encoding="utf-8")} for path in FIXTURES.iterdir()
                if path.is_file()]  # fmt: skip
    return [*cases, *manuals, *fixtures]


def _written(folder: Path, part: int) -> dict[Path, str]:
    """All of it in folders of their own, with the line ends and marks that files have in turn."""
    found = {}
    for number, files in enumerate(_texts()[part::PARTS]):
        newline, marked = NEWLINES[number % 3], number % 4 == 0
        for name, text in files.items():
            path = folder / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = re.sub(r"\r\n|\r|\n", newline, text).encode()
            path.write_bytes((codecs.BOM_UTF8 if marked else b"") + data)
            found[path] = newline
    return found


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
def test_everything_is_fixed_once(unsafe: bool, part: int, tmp_path: Path) -> None:
    files = _written(tmp_path, part)
    before = {path: path.read_bytes() for path in files}
    options = ["--select", "ALL", *(["--unsafe-fixes"] if unsafe else [])]
    # With what is kept, only what was changed is asked again; one part does without.
    without = "1" if part == 0 else ""
    fix = ["--fix", "--output-format", "concise"]
    done = trainlint("check", ".", *fix, *options, cwd=tmp_path, TRAINLINT_NO_CACHE=without)
    assert done.returncode == 1, done.stderr
    changed = {path for path in files if path.read_bytes() != before[path]}
    assert len(changed) > 5
    for path in changed:
        data = path.read_bytes()
        assert data.startswith(codecs.BOM_UTF8) == before[path].startswith(codecs.BOM_UTF8)
        ends = set(re.findall(r"\r\n|\r|\n", data.decode("utf-8")))
        assert ends == {files[path]}, path
        if path.suffix == ".py":
            ast.parse(data)
    again = trainlint("check", ".", "--diff", *options, cwd=tmp_path, TRAINLINT_NO_CACHE=without)
    assert (again.returncode, again.stdout) == (0, "")
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if ".tmp" in name]
