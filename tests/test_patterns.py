"""Patterns as in .gitignore: what git says of a name, in a time that no pattern can blow up."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from command import trainlint

from trainlint.lint.patterns import Patterns

PIECES = ["a", "a", "b", "*", "*", "**/", "/", "/**", "?", "[ab]", "[!a]", r"\[", r"\]", r"\*", "!"]


def _random_text(choice: random.Random, pieces: list[str] | str, most: int) -> str:
    return "".join(choice.choice(pieces) for _ in range(choice.randint(1, most)))


def _ignored(folder: Path, names: list[str]) -> set[str]:
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=folder, input="\0".join(names).encode(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.decode().split("\0")) - {""}


def test_they_mean_what_they_mean_to_git(tmp_path: Path) -> None:
    choice = random.Random(3)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    matched = 0
    for _ in range(150):
        pattern = _random_text(choice, PIECES, 7)
        if pattern[0] == "!" or any(odd in pattern for odd in ("//", "***")):
            continue
        folders = [[_random_text(choice, "ab[]*", 4) for _ in range(choice.randint(1, 3))]
                   for _ in range(20)]  # fmt: skip
        names = ["/".join(folder) for folder in folders]
        (tmp_path / ".gitignore").write_text(f"{pattern}\n")
        expected = _ignored(tmp_path, names)
        patterns = Patterns([pattern])
        assert {name for name in names if patterns.says(name, False)} == expected, pattern
        matched += len(expected)
    assert matched > 200


def test_the_last_that_speaks_of_the_path_itself_decides() -> None:
    patterns = Patterns(["*.py", "!keep.py", "old/", "# !old/", ""])
    assert patterns.says("x.py", False) is True
    assert patterns.says("keep.py", False) is False
    assert patterns.says("a/old", True) is True
    assert patterns.says("old", False) is None
    assert patterns.says("old/x.md", False) is True
    assert patterns.says("x.md", False) is None


HARD = ["*a" * 12 + "b", "*" * 40 + "b", "*?" * 30 + "b", "[a-z]*" * 20 + "0", "[a/]*" * 20 + "0",
        "**/*a*a*a*a*a*a*a*a*b/**/a/**/a/**/a/**/b", "a/**/" * 30 + "b"]  # fmt: skip


@pytest.mark.parametrize("pattern", HARD)
def test_no_pattern_takes_long(pattern: str) -> None:
    patterns, names = Patterns([pattern]), ["a" * 250, "a/" * 250 + "a", f"{'a' * 50}/" * 50 + "a"]
    begun = time.perf_counter()
    assert [patterns.says(name, False) for name in names] == [None] * 3
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("name", [".gitignore", "trainlint.toml"])
def test_a_strangers_patterns_do_not_stop_the_check(name: str, tmp_path: Path) -> None:
    hard = "\n".join(HARD) if name == ".gitignore" else f"exclude = {HARD}"
    (tmp_path / name).write_text(f"{hard}\n")
    (tmp_path / f"{'a' * 200}.py").write_text("import torch\n")
    done = trainlint("check", ".", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("All clear: 1 file checked.\n", "")


def test_a_line_that_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("!\nold.py\n\\\n")
    for file in ("old.py", "new.py"):
        (tmp_path / file).write_text("import torch\n")
    done = trainlint("check", ".", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("All clear: 1 file checked.\n", "")
    done = trainlint("check", ".", "--exclude", "!", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --exclude: '!' is no pattern as in .gitignore\n"
