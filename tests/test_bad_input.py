"""Input that cannot be checked: one clear message with its place, exit code 2, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import trainlint
from deprived import drop_overrides

BROKEN = "import torch\nprint(undefined)\n"


def _write(name: str, content: str | bytes) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return name

    return make


def _missing(folder: Path) -> str:
    return "nowhere.py"


def _folder_without_python(folder: Path) -> str:
    (folder / "empty").mkdir()
    (folder / "empty" / "data.csv").write_text("1,2\n")
    return "empty"


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "pipe.py")
    return "pipe.py"


def _broken_link(folder: Path) -> str:
    (folder / "link.py").symlink_to("gone.py")
    return "link.py"


def _link_to_itself(folder: Path) -> str:
    (folder / "self.py").symlink_to("self.py")
    return "self.py"


NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
CELL: dict[str, object] = {
    "cell_type": "code",
    "id": "a",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
}

# Name: what makes it, and a part of the message.
CASES: dict[str, tuple[Callable[[Path], str], str]] = {
    "missing": (_missing, "nowhere.py: error: no such file"),
    "not UTF-8": (_write("x.py", b"import torch\ns = '\xff\xfe'\n"), "x.py:2"),
    "unknown encoding": (_write("x.py", "# -*- coding: klingon -*-\nimport torch\n"), "klingon"),
    "UTF-16": (_write("x.py", "import torch\n".encode("utf-16")), "x.py"),
    "NUL bytes": (_write("x.py", b"import torch\nx = 1\x00\n"), "x.py:2"),
    "syntax error": (_write("x.py", "import torch\ndef f(:\n"), "x.py:2:7: error: syntax error"),
    "unclosed bracket": (_write("x.py", "import torch\nx = (1,\n"), "x.py:2"),
    "bad indentation": (_write("x.py", "import torch\nif x:\npass\n"), "x.py:3"),
    "Python 2": (_write("x.py", "import torch\nprint 'epoch', 1\n"), "Python 2"),
    "Python 2, exec": (_write("x.py", "import torch\nexec 'x = 1'\n"), "Python 2"),
    "a merge conflict": (_write("x.py", "import torch\n<<<<<<< HEAD\nx = 1\n"), "x.py:2:1"),
    "deep brackets": (
        _write("x.py", "import torch\nx = " + "[" * 5000 + "]" * 5000 + "\n"),
        "nested too deeply",
    ),
    "a long chain": (
        _write("x.py", "import torch\nx = " + "+".join(["1"] * 50_000) + "\n"),
        "nested too deeply",
    ),
    "deep blocks": (
        _write("x.py", "import torch\n" + "".join(" " * i + "if x:\n" for i in range(150))),
        "x.py",
    ),
    "a folder without Python": (_folder_without_python, "empty: error: no Python"),
    "another kind of file": (_write("model.pth", b"PK\x03\x04"), "model.pth: error:"),
    "a notebook that is no JSON": (_write("n.ipynb", "{'cells': []}"), "n.ipynb:1"),
    "a notebook that is none": (_write("n.ipynb", "[1, 2]"), "n.ipynb"),
    "a truncated notebook": (_write("n.ipynb", '{"cells": [{"cell_type": "co'), "n.ipynb:1"),
    "a notebook with a broken cell": (
        _write(
            "n.ipynb",
            json.dumps({**NOTEBOOK, "cells": [{**CELL, "source": "import torch\nx = (\n"}]}),
        ),
        "n.ipynb:cell 1:2",
    ),
    "a pipe": (_fifo, "pipe.py: error:"),
    "a broken link": (_broken_link, "link.py: error:"),
    "a link to itself": (_link_to_itself, "self.py: error:"),
    "five megabytes": (_write("x.py", b"import torch\n" + b"x = 1\n" * 830_000), "5.0 million"),
}


@pytest.mark.parametrize(("make", "message"), CASES.values(), ids=CASES)
def test_one_message_and_the_others_are_checked(
    make: Callable[[Path], str], message: str, tmp_path: Path
) -> None:
    name = make(tmp_path)
    (tmp_path / "good.py").write_text(BROKEN)
    done = trainlint("check", name, "good.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert message in done.stderr
    assert done.stderr.startswith(name)
    assert sum(": error: " in line for line in done.stderr.splitlines()) == 1
    assert "good.py:2:7: TRN001" in done.stdout


FINE = {
    "an empty file": b"",
    "only a comment": b"# torch\n",
    "no newline at the end": b"import torch",
    "a byte order mark": "\ufeffimport torch\n".encode(),
    "Latin-1, declared": "# coding: latin-1\nimport torch\ns = 'é'\n".encode("latin-1"),
    "Windows line ends": b"import torch\r\nx = 1\r\n",
    "a form feed": b"import torch\n\x0c\nx = 1\n",
    "tabs": b"import torch\nif torch:\n\tx = 1\n",
    "five megabytes without torch": b"x = [1, 2, 3]\n" * 360_000,
}


@pytest.mark.parametrize("data", FINE.values(), ids=FINE)
def test_odd_but_fine(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(data)
    done = trainlint("check", "x.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "All clear: 1 file checked.\n"


def test_symlink_loop_between_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "x.py").write_text(BROKEN)
    done = trainlint("check", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("TRN001") == 1
    assert "in 1 file" in done.stdout


def test_a_link_to_itself_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "x.py").write_text(BROKEN)
    done = trainlint("check", ".", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")


def test_what_is_named_is_checked_though_git_ignores_it(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/kept/\n")
    (tmp_path / "kept" / "inner").mkdir(parents=True)
    (tmp_path / "kept" / "inner" / "x.py").write_text(BROKEN)
    (tmp_path / "y.py").write_text("import torch\n")
    assert trainlint("check", ".", cwd=tmp_path).returncode == 0
    for named in ("kept", "kept/inner", "kept/inner/x.py"):
        done = trainlint("check", named, cwd=tmp_path)
        assert "TRN001" in done.stdout, named


def test_a_named_file_is_parsed_though_nothing_trains_in_it(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("def f(:\n")
    done = trainlint("check", "x.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "x.py:1:7: error: syntax error" in done.stderr


def test_a_notebook_without_cell_ids_says_nothing_of_it(tmp_path: Path) -> None:
    cell = {key: value for key, value in CELL.items() if key != "id"}
    notebook = {**NOTEBOOK, "cells": [{**cell, "source": "import torch"}]}
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook))
    done = trainlint("check", "n.ipynb", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_unreadable_file_and_folder(tmp_path: Path) -> None:
    for name in ("x.py", "closed"):
        (tmp_path / name).mkdir() if name == "closed" else (tmp_path / name).write_text(BROKEN)
        (tmp_path / name).chmod(0)
    (tmp_path / "good.py").write_text(BROKEN)
    try:
        done = trainlint("check", ".", cwd=tmp_path, before=drop_overrides)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert done.returncode == 2
    assert "x.py: error: permission denied" in done.stderr
    assert "closed: error: permission denied" in done.stderr
    assert "good.py:2:7: TRN001" in done.stdout


CONFIGS = {
    "broken TOML": ("[tool.trainlint\n", "pyproject.toml:1"),
    "an unknown key": ('[tool.trainlint]\nselekt = ["TRN1"]\n', "did you mean `select`"),
    "a wrong type": ('[tool.trainlint]\nselect = "TRN1"\n', "select"),
    "an unknown code": ('[tool.trainlint]\nignore = ["TRN999"]\n', "TRN999"),
}


@pytest.mark.parametrize(("text", "message"), CONFIGS.values(), ids=CONFIGS)
def test_bad_configuration(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "x.py").write_text(BROKEN)
    done = trainlint("check", "x.py", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "x.py", "--select", "TRN00X"], "unknown code 'TRN00X'"),
        (["check", "x.py", "--ignore", "E501"], "unknown code 'E501'"),
        (["check", "x.py", "--output-format", "xml"], "xml"),
        (["check", "x.py", "--config", "none.toml"], "none.toml"),
        (["check", "--unknown"], "--unknown"),
        (["explain", "TRN01"], "did you mean TRN0"),
        (["explain", "undefined-nam"], "did you mean undefined-name"),
        (["run"], "SCRIPT"),
        (["run", "none.py"], "none.py: no such file"),
        (["run", "."], "is a folder"),
        (["run", "x.py", "--trial", "clipnorm=1"], "clip-norm"),
        (["run", "x.py", "--trial", "clip-norm=much"], "clip-norm"),
        (["run", "x.py", "--max-steps", "0"], "max-steps"),
        (["run", "x.py", "--max-seconds", "nan"], "nan is no number of seconds"),
        (["run", "x.py", "--max-seconds", "inf"], "max-seconds"),
        (["run", "x.py", "--epochs", "3"], "the script's own options follow `--`"),
        (["check", "x.py", "--select", "RUN101"], "RUN codes are of detectors"),
        (["check", ""], "an empty path"),
        (["run", "notes.md"], "only Python scripts can be run"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(BROKEN)
    (tmp_path / "notes.md").write_text("# Notes\n")
    done = trainlint(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_problems_in_json(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("def f(:\n")
    (tmp_path / "y.py").write_text("import torch\ndef f(:\n")
    done = trainlint("check", "y.py", "z.py", "--output-format", "json", cwd=tmp_path)
    assert done.returncode == 2
    result = json.loads(done.stdout)
    assert result["findings"] == []
    assert [(one["path"], one["line"]) for one in result["problems"]] == [
        ("y.py", 2),
        ("z.py", None),
    ]


def test_standard_input() -> None:
    done = trainlint("check", "-", stdin=BROKEN.encode())
    assert done.returncode == 1
    assert "<stdin>:2:7: TRN001" in done.stdout


def test_closed_output_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(BROKEN)
    command = f"{sys.executable} -m trainlint check x.py | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
