"""`--write-baseline`, `--baseline` and `--since`, as a project would use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import findings_of, trainlint

OLD = "import torch\nprint(first)\nprint(second)\n"


def lines(
    folder: Path, *arguments: str, env: tuple[str, str] = ("LC_ALL", "C")
) -> list[tuple[str, int]]:
    """(file, line) of each finding."""
    command = [sys.executable, "-m", "trainlint", "check", *arguments, "--output-format", "json"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, env[0]: env[1]}, capture_output=True, check=False
    )
    assert done.returncode < 2, done.stderr
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == bool(found)
    return [(one["location"]["path"], one["location"]["line"]) for one in found]


def write_baseline(folder: Path, *arguments: str) -> str:
    done = trainlint("check", *arguments, "--write-baseline", "known.json", cwd=folder)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(OLD)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text(OLD)
    return tmp_path


def test_old_findings_stay_quiet_and_new_ones_fail(project: Path) -> None:
    assert write_baseline(project, ".") == "Wrote 4 findings to known.json.\n"
    assert lines(project, ".", "--baseline", "known.json") == []
    assert lines(project / "sub", "b.py", "--baseline", "../known.json") == []
    (project / "a.py").write_text(
        "import torch\n\n# moved\nif torch:\n    print(first)\nprint(second)\nprint(third)\n"
    )
    done = trainlint("check", ".", "--baseline", "known.json", cwd=project)
    assert done.returncode == 1
    assert "a.py:7:7: TRN001" in done.stdout
    assert "Found 1 mistake in 1 file" in done.stdout
    assert done.stderr == ""


LOOP = """
for x in loader_{0}:
    model(x).sum().backward()
    optimizer.step()
"""
TRAINING = """\
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
LOADERS = "loader_a = loader_b = torch.ones(3, 2, 2)\n"


def test_of_equal_lines_the_first_are_known(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TRAINING + LOADERS + LOOP.format("a"))
    write_baseline(tmp_path, "a.py")
    assert lines(tmp_path, "a.py", "--baseline", "known.json") == []
    (tmp_path / "a.py").write_text(TRAINING + LOADERS + LOOP.format("b") + LOOP.format("a"))
    assert lines(tmp_path, "a.py") == [("a.py", 8), ("a.py", 12)]
    assert lines(tmp_path, "a.py", "--baseline", "known.json") == [("a.py", 12)]


def test_a_baseline_is_sorted_and_the_same_each_time(project: Path) -> None:
    write_baseline(project, ".")
    first = (project / "known.json").read_bytes()
    write_baseline(project, "sub", "a.py")
    assert (project / "known.json").read_bytes() == first
    entries = json.loads(first)["findings"]
    assert entries[0] == {"path": "a.py", "code": "TRN001", "line": "print(first)", "count": 1}
    assert entries == sorted(entries, key=lambda one: (one["path"], one["code"], one["line"]))


def test_what_is_gone_is_told(project: Path) -> None:
    write_baseline(project, ".")
    (project / "a.py").write_text("import torch\nprint(first)\n")
    (project / "sub" / "b.py").unlink()
    done = trainlint("check", "a.py", "--baseline", "known.json", cwd=project)
    assert done.returncode == 0
    assert "known.json: note: 3 entries no longer found:" in done.stderr
    assert "  a.py: TRN001: print(second)\n" in done.stderr
    assert "--write-baseline known.json" in done.stderr
    # A code that is not asked for, and a file that is not checked, tell nothing.
    (project / "sub" / "b.py").write_text("import torch\n")
    done = trainlint("check", "sub", "--baseline", "known.json", "--ignore", "TRN0", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    done = trainlint("check", "sub", "--baseline", "known.json", cwd=project)
    assert "2 entries" in done.stderr


def test_a_notebook_keeps_its_baseline_as_cells_move(tmp_path: Path) -> None:
    write_notebook(tmp_path, ["import torch\n", "print(first)\n"])
    write_baseline(tmp_path, ".")
    write_notebook(tmp_path, ["import torch\n", "x = 1\n", "y = 2\nprint(first)\n"])
    assert lines(tmp_path, ".", "--baseline", "known.json") == []


BAD = {
    "none": (None, "known.json: error: no such file or directory", "--write-baseline makes one"),
    "no JSON": ("{", "known.json:1: error: no baseline: not JSON", ""),
    "no object": ("[]", "no list `findings`", ""),
    "another format": ('{"format": 9, "findings": []}', "another format, 9", ""),
    "a broken entry": ('{"format": 1, "findings": [{"path": 1}]}', "`findings[0]`", ""),
    "deep nesting": ("[" * 200_000, "nested too deeply", ""),
}


@pytest.mark.parametrize(("text", "message", "hint"), BAD.values(), ids=BAD)
def test_what_is_no_baseline(text: str | None, message: str, hint: str, project: Path) -> None:
    if text is not None:
        (project / "known.json").write_text(text)
    done = trainlint("check", ".", "--baseline", "known.json", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_baseline_that_cannot_be_written(project: Path) -> None:
    done = trainlint("check", ".", "--write-baseline", "none/known.json", cwd=project)
    assert done.returncode == 2
    assert "--write-baseline none/known.json: no such file" in done.stderr


def test_no_code_is_lost_to_a_baseline(project: Path) -> None:
    done = trainlint("check", ".", "--write-baseline", "a.py", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: --write-baseline a.py: would be lost" in done.stderr
    assert (project / "a.py").read_text() == OLD


@pytest.mark.parametrize("option", ["--fix", "--diff", "--since=HEAD"])
def test_a_baseline_is_of_all_as_it_stands(option: str, repository: Path) -> None:
    done = trainlint("check", ".", "--write-baseline", "known.json", option, cwd=repository)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option.partition('=')[0]} asks for something else" in done.stderr
    assert not (repository / "known.json").exists()


def test_what_cannot_be_checked_is_told_beside_the_baseline(project: Path) -> None:
    (project / "c.py").write_text("import torch\ndef f(:\n")
    done = trainlint("check", ".", "--write-baseline", "known.json", cwd=project)
    assert done.returncode == 2
    assert "c.py:2:7: error" in done.stderr
    assert "Wrote 4 findings" in done.stderr


# -- --since -----------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


def write_notebook(folder: Path, cells: list[str]) -> None:
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "id": str(number), "metadata": {}, "outputs": [],
         "execution_count": None, "source": cell}
        for number, cell in enumerate(cells)
    ]  # fmt: skip
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}
    (folder / "n.ipynb").write_text(json.dumps(notebook))


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")
    return project


def test_only_changed_lines_count(repository: Path) -> None:
    assert lines(repository, ".", "--since", "HEAD") == []
    (repository / "a.py").write_text("import torch\nprint(new)\nprint(first)\nprint(third)\n")
    expected = [("a.py", 2), ("a.py", 4)]
    assert lines(repository, ".", "--since", "HEAD") == expected
    git(repository, "commit", "-qam", "two")
    assert lines(repository, ".", "--since", "HEAD") == []
    assert lines(repository, ".", "--since", "HEAD~1") == expected
    assert lines(repository / "sub", "../a.py", "b.py", "--since", "HEAD~1") == [
        ("../a.py", 2),
        ("../a.py", 4),
    ]


def test_untracked_and_renamed_files(repository: Path) -> None:
    (repository / "sub" / "c.py").write_text(OLD)
    assert lines(repository / "sub", ".", "--since", "HEAD") == [("c.py", 2), ("c.py", 3)]
    (repository / ".gitignore").write_text("c.py\n")
    assert len(lines(repository, "sub/c.py", "--since", "HEAD")) == 2
    git(repository, "mv", "a.py", "z.py")
    assert lines(repository, "z.py", "--since", "HEAD") == []


ODD = ["a b.py", 'q"uote.py', "tab\there.py", "ümlaut.py", "-dash.py", "new\nline.py"]


@pytest.mark.parametrize("name", ODD)
def test_names_that_git_quotes(name: str, repository: Path) -> None:
    (repository / name).write_text(OLD + "\n" * 20)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    (repository / name).write_text(OLD + "\n" * 20 + "++ torch\n--- torch\nprint(third)\n")
    found = lines(repository, f"./{name}", "--since", "HEAD", "--select", "TRN001")
    assert [line for _, line in found] == [26]


def test_a_notebook_goes_by_its_cells(repository: Path) -> None:
    write_notebook(repository, ["import torch\nprint(first)", "print(second)"])
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    write_notebook(repository, ["import torch\nprint(first)", "x = 1", "print(second)\nprint(new)"])
    done = trainlint(
        "check", "n.ipynb", "--since", "HEAD", "--output-format", "json", cwd=repository
    )
    (found,) = json.loads(done.stdout)["findings"]
    assert (found["location"]["cell"], found["location"]["line"]) == (3, 2)


def test_git_runs_nothing_that_a_repository_names(repository: Path) -> None:
    trap = repository / "trap.sh"
    trap.write_text("#!/bin/sh\ntouch trapped\n")
    trap.chmod(0o755)
    (repository / ".gitattributes").write_text("*.py diff=trap filter=trap\n")
    for key in ("diff.external", "diff.trap.textconv", "core.fsmonitor", "diff.trap.command",
                "filter.trap.clean", "filter.trap.process"):  # fmt: skip
        git(repository, "config", key, str(trap))
    (repository / "a.py").write_text(OLD + "print(third)\n")
    assert lines(repository, "a.py", "--since", "HEAD") == [("a.py", 4)]
    assert lines(repository, "a.py", "--since", "HEAD", env=("GIT_EXTERNAL_DIFF", str(trap))) != []
    assert not (repository / "trapped").exists()


def test_within_a_hook(repository: Path) -> None:
    (repository / "sub" / "b.py").write_text(OLD + "print(third)\n")
    found = lines(repository / "sub", "b.py", "--since", "HEAD", env=("GIT_DIR", ".git"))
    assert found == [("b.py", 4)]


def test_what_an_editor_hands_over_counts_not_the_disk(repository: Path) -> None:
    text = f"import os\n\n{OLD}print(third)\n"
    arguments = ("check", "-", "--stdin-filename", "a.py", "--since", "HEAD")
    done = trainlint(*arguments, "--output-format", "json", cwd=repository, stdin=text.encode())
    assert findings_of(done) == [("TRN001", 6)]


def test_lines_are_known_again_as_fixes_move_them(repository: Path) -> None:
    """An import that is added moves the old mistake on line 2 to where the new one stood."""
    (repository / "a.py").write_text("import torch\nprint(first)\nx = 1\n")
    git(repository, "commit", "-qam", "two")
    (repository / "a.py").write_text("import torch\nprint(first)\nx = F.relu\n")
    done = trainlint("check", "a.py", "--since", "HEAD", "--fix", cwd=repository)
    assert done.stdout == "Found 1 mistake (1 fixed, 0 remaining).\n"
    again = trainlint("check", "a.py", "--since", "HEAD", "--fix", cwd=repository)
    assert (again.returncode, again.stdout) == (0, "All clear: 1 file checked.\n")


def test_a_link_is_the_file_that_it_leads_to(repository: Path, tmp_path_factory: Any) -> None:
    (repository / "link.py").symlink_to("a.py")
    outside = tmp_path_factory.mktemp("outside") / "far.py"
    outside.write_text(OLD)
    (repository / "far.py").symlink_to(outside)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    (repository / "a.py").write_text(OLD + "print(third)\n")
    assert lines(repository, "link.py", "--since", "HEAD") == [("link.py", 4)]
    assert len(lines(repository, "far.py", "--since", "HEAD")) == 2


def test_line_ends_of_git_are_no_change(repository: Path) -> None:
    git(repository, "config", "core.autocrlf", "true")
    text = (OLD + "print(third)\n").replace("\n", "\r\n")
    (repository / "a.py").write_bytes(text.encode())
    assert lines(repository, "a.py", "--since", "HEAD") == [("a.py", 4)]


@pytest.mark.parametrize("revision", ["nowhere", "", "--output=x", "HEAD:a.py", "HEAD~9"])
def test_no_such_revision(revision: str, repository: Path) -> None:
    done = trainlint("check", ".", f"--since={revision}", cwd=repository)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"git knows no revision {revision!r}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (repository / "x").exists()


def test_no_repository_and_no_git(project: Path) -> None:
    done = trainlint("check", ".", "--since", "HEAD", cwd=project)
    assert done.returncode == 2
    assert "is in no git repository" in done.stderr
    done = trainlint("check", ".", "--since", "HEAD", cwd=project, PATH=str(project))
    assert done.returncode == 2
    assert "--since needs git, and there is none" in done.stderr


def test_both_narrow(repository: Path) -> None:
    write_baseline(repository, ".")
    (repository / "a.py").write_text(OLD + "print(third)\n")
    (repository / "sub" / "b.py").write_text(OLD + "print(third)\n")
    git(repository, "commit", "-qam", "two")
    (repository / "a.py").write_text(OLD + "print(third)\nprint(fourth)\n")
    done = trainlint(
        "check", ".", "--baseline", "known.json", "--since", "HEAD", "--output-format", "json",
        cwd=repository,
    )  # fmt: skip
    assert findings_of(done) == [("TRN001", 5)]
