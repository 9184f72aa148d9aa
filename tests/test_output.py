"""Where a report goes, how it is counted, and what is read from standard input."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from command import FIXTURES, trainlint
from deprived import drop_overrides

BROKEN = "import torch\nprint(undefined)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x.py").write_text(BROKEN)
    (tmp_path / "y.py").write_text("import torch\ndef f(:\n")
    return tmp_path


# -- --output-file ---------------------------------------------------------------------------------


def test_a_report_in_a_file_is_the_one_on_standard_output(folder: Path) -> None:
    for output_format in ("json", "sarif", "junit", "github"):
        told = trainlint("check", "x.py", "--output-format", output_format, cwd=folder)
        done = trainlint("check", "x.py", "--output-format", output_format,
                         "--output-file", "new/report", cwd=folder)  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
        assert (folder / "new" / "report").read_text(encoding="utf-8") == told.stdout
    assert [path.name for path in (folder / "new").iterdir()] == ["report"]


def test_text_in_a_file_holds_problems_and_summary(folder: Path) -> None:
    done = trainlint("check", ".", "-o", "report.txt", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "y.py:2:7: error: syntax error" in done.stderr
    text = (folder / "report.txt").read_text(encoding="utf-8")
    assert text.startswith("x.py:2:7: TRN001")
    assert "y.py:2:7: error: syntax error" in text
    assert text.endswith("Found 1 mistake in 1 file; 1 path could not be checked.\n")


def test_a_dash_is_standard_output(folder: Path) -> None:
    done = trainlint("check", "x.py", "-o", "-", cwd=folder)
    assert done.stdout == trainlint("check", "x.py", cwd=folder).stdout
    assert not (folder / "-").exists()


def test_the_files_mode_and_link_stay(folder: Path) -> None:
    (folder / "real.txt").write_text("old")
    (folder / "real.txt").chmod(0o640)
    (folder / "link.txt").symlink_to("real.txt")
    trainlint("check", "x.py", "-o", "link.txt", cwd=folder)
    assert (folder / "link.txt").is_symlink()
    assert "TRN001" in (folder / "real.txt").read_text()
    assert stat.S_IMODE((folder / "real.txt").stat().st_mode) == 0o640
    trainlint("check", "x.py", "-o", "fresh.txt", cwd=folder)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((folder / "fresh.txt").stat().st_mode) == 0o666 & ~mask


def test_a_device_is_written_into(folder: Path) -> None:
    done = trainlint("check", "x.py", "-o", "/dev/stderr", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "TRN001" in done.stderr


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("name", "why"), [("sub", "is a folder"), ("x.py/report", "x.py"),
                                           ("", "is empty")])  # fmt: skip
def test_a_report_that_cannot_be_written(folder: Path, command: str, name: str, why: str) -> None:
    (folder / "sub").mkdir()
    done = trainlint(command, "x.py", "-o", name, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --output-file")
    assert why in done.stderr
    assert (folder / "x.py").read_text() == BROKEN


def test_a_closed_folder_keeps_the_old_report(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir()
    (closed / "report").write_text("old")
    closed.chmod(0o500)
    try:
        done = trainlint("check", "x.py", "-o", "closed/report", cwd=folder, before=drop_overrides)
    finally:
        closed.chmod(0o700)
    assert done.returncode == 2
    assert "permission denied" in done.stderr
    assert (closed / "report").read_text() == "old"


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", ["x.py", "other.py", "link"])
def test_no_code_is_lost_to_a_report(folder: Path, command: str, name: str) -> None:
    (folder / "other.py").write_text(BROKEN)
    (folder / "link").symlink_to("x.py")
    done = trainlint(command, "x.py", "-o", name, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: --output-file {name}: would be lost" in done.stderr
    assert (folder / "x.py").read_text() == (folder / "other.py").read_text() == BROKEN


def test_a_document_that_is_checked_is_not_lost(folder: Path) -> None:
    (folder / "a.md").write_text("text")
    assert trainlint("check", "a.md", "-o", "a.md", cwd=folder).returncode == 2
    assert (folder / "a.md").read_text() == "text"
    assert trainlint("check", "x.py", "-o", "a.md", cwd=folder).returncode == 1
    assert "TRN001" in (folder / "a.md").read_text()


# -- --statistics --------------------------------------------------------------------------------


def test_statistics_count_by_code(folder: Path) -> None:
    (folder / "z.py").write_text("import torch\nx = F.relu(torch.ones(1))\nprint(one, two)\n")
    done = trainlint("check", "x.py", "z.py", "--statistics", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "3  TRN001  [ ] undefined-name",
        "1  TRN002  [*] never-imported",
        "Found 4 mistakes in 2 files.",
        "[*] 1 fixable with `--fix`.",
    ]


def test_statistics_for_programs(folder: Path) -> None:
    done = trainlint("check", ".", "--statistics", "--output-format", "json", cwd=folder)
    assert done.returncode == 2
    result = json.loads(done.stdout)
    assert result["statistics"] == [
        {"code": "TRN001", "name": "undefined-name", "severity": "error", "count": 1, "fixable": 0}
    ]
    assert [one["path"] for one in result["problems"]] == ["y.py"]
    refused = trainlint("check", ".", "--statistics", "--output-format", "sarif", cwd=folder)
    assert refused.returncode == 2
    assert "--statistics has no sarif format" in refused.stderr


def test_statistics_of_nothing(folder: Path) -> None:
    (folder / "fine.py").write_text("import torch\n")
    done = trainlint("check", "fine.py", "--statistics", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "All clear: 1 file checked.\n")


# -- standard input ------------------------------------------------------------------------------


def test_the_name_of_standard_input_is_told(folder: Path) -> None:
    for paths in ([], ["-"]):
        done = trainlint("check", *paths, "--stdin-filename", "sub/new.py", cwd=folder,
                         stdin=BROKEN.encode())  # fmt: skip
        assert done.returncode == 1
        assert "sub/new.py:2:7: TRN001" in done.stdout


def test_the_name_of_standard_input_tells_its_kind(folder: Path) -> None:
    code = "import torch\nm = torch.nn.Linear(1, 1)\no = torch.optim.SGD(m.parameters(), lr=0.1)\n"
    code += "for x in loader:\n    m(x).sum().backward()\n    o.step()\n"
    document = f"# Title\n\n```python\n{code}```\n"
    done = trainlint("check", "-", "--stdin-filename", "a.md", cwd=folder, stdin=document.encode())
    assert "a.md:9:5: TRN101" in done.stdout
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": BROKEN,
        "execution_count": None,
    }
    notebook = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
    done = trainlint("check", "-", "--stdin-filename", "a.ipynb", cwd=folder,
                     stdin=notebook.encode())  # fmt: skip
    assert "a.ipynb:cell 1:2:7: TRN001" in done.stdout
    done = trainlint("check", "-", "--stdin-filename", "a.pth", cwd=folder, stdin=b"")
    assert done.returncode == 2
    assert done.stderr.startswith("a.pth: error: not a kind of file")


def test_the_name_of_standard_input_finds_its_configuration(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "pyproject.toml").write_text(
        '[tool.trainlint.per-file-ignores]\n"old_*.py" = ["TRN001"]\n'
    )
    for name, code in (("sub/old_a.py", 0), ("sub/new.py", 1), ("old_a.py", 1)):
        done = trainlint("check", "-", "--stdin-filename", name, cwd=folder, stdin=BROKEN.encode())
        assert done.returncode == code, name


def test_the_name_of_standard_input_finds_the_project(folder: Path) -> None:
    (folder / "models.py").write_text("import torch\nclass Net(torch.nn.Module):\n    pass\n")
    text = "import torch\nfrom models import *\nnet = Net()\n"
    done = trainlint("check", "-", "--stdin-filename", "train.py", cwd=folder, stdin=text.encode())
    assert done.returncode == 0, done.stdout


def test_what_is_wrong_on_standard_input_is_told_of_its_name(folder: Path) -> None:
    broken = b"import torch\ndef f(:\n"
    done = trainlint("check", "-", cwd=folder, stdin=broken)
    assert done.stderr.startswith("<stdin>:2:7: error: syntax error")
    done = trainlint("check", "-", "--stdin-filename", "a.py", cwd=folder, stdin=broken)
    assert done.stderr.startswith("a.py:2:7: error: syntax error")


@pytest.mark.parametrize(("arguments", "message"), [
    (["x.py", "--stdin-filename", "a.py"], "no path is `-`"),
    (["-", "--stdin-filename", ""], "an empty name"),
])  # fmt: skip
def test_a_name_for_nothing(folder: Path, arguments: list[str], message: str) -> None:
    done = trainlint("check", *arguments, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_run_writes_its_report_too(tmp_path: Path) -> None:
    done = trainlint("run", FIXTURES / "exploding.py", "--output-format", "concise",
                     "-o", tmp_path / "report")  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.startswith("epoch 0")
    assert "RUN104" not in done.stdout
    assert "RUN104" in (tmp_path / "report").read_text(encoding="utf-8")
