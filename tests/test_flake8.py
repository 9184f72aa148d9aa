"""The plugin, in the real flake8, found by its entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from command import FIXTURES, trainlint

from trainlint.registry import RULES, load

# One that is off by default.
(ENTRY,) = (entry for entry in load(RULES) if entry.code == "TRN008")
BROKEN = "import torch\nprint(undefined)\n"


def flake8(
    folder: Path, *arguments: str, stdin: str = "", select: str = "TRN"
) -> subprocess.CompletedProcess[str]:
    chosen = [f"--select={select}"] if select else []
    return subprocess.run(
        [sys.executable, "-m", "flake8", *chosen, *arguments],
        cwd=folder, input=stdin, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x.py").write_text(BROKEN)
    return tmp_path


def test_flake8_lists_the_plugin() -> None:
    (point,) = (one for one in entry_points(group="flake8.extension") if one.name == "TRN")
    assert point.value == "trainlint.flake8_plugin:Checker"
    done = flake8(FIXTURES, "--version", select="")
    assert "trainlint" in done.stdout or "torch-trainlint" in done.stdout


def test_flake8_finds_what_check_finds(tmp_path: Path) -> None:
    for name in ("broken.py", "mended.py"):
        (tmp_path / name).write_bytes((FIXTURES / name).read_bytes())
    told = trainlint("check", ".", "--output-format", "json", cwd=tmp_path).stdout
    known = []
    for one in json.loads(told)["findings"]:
        at = one["location"]
        place = f"./{at['path']}:{at['line']}:{at['column']}"
        known.append(f"{place}: {one['code']} [{one['name']}] {one['message']}")
    assert len(known) == 4
    for jobs in ("1", "2"):
        done = flake8(tmp_path, "-j", jobs)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.splitlines() == known


def test_flake8_reports_it_without_being_asked(folder: Path) -> None:
    done = flake8(folder, "x.py", select="")
    assert "x.py:2:7: TRN001 [undefined-name] `undefined` is used" in done.stdout


def test_flake8_excuses_and_ignores(folder: Path) -> None:
    (folder / "noqa.py").write_text("import torch\nprint(undefined)  # noqa: TRN001\n")
    (folder / "ours.py").write_text("import torch\nprint(undefined)  # trainlint: ignore[TRN001]\n")
    assert flake8(folder, "noqa.py", "ours.py").stdout == ""
    assert flake8(folder, "x.py", "--extend-ignore=TRN001").stdout == ""


def test_trainlints_own_configuration_counts(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[tool.trainlint.per-file-ignores]\n"x.py" = ["TRN001"]\n'
    )
    (folder / "y.py").write_text(BROKEN)
    done = flake8(folder, ".")
    assert done.stdout.startswith("./y.py:2:7: TRN001")
    assert done.stdout.count("TRN") == 1


def test_a_broken_configuration_is_one_message(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.trainlint]\nselekt = ["TRN1"]\n')
    done = flake8(folder, "x.py")
    (line,) = done.stdout.splitlines()
    assert line.startswith("x.py:1:1: TRN999")
    assert "selekt" in line
    assert "Traceback" not in done.stderr
    assert flake8(folder, "x.py", select="TRN999").stdout == done.stdout


def test_an_unknown_code_is_told(folder: Path) -> None:
    done = flake8(folder, "x.py", "--extend-select=TRN998", select="")
    assert "x.py:1:1: TRN999 error: unknown code 'TRN998'" in done.stdout


def test_a_rule_that_is_off_is_switched_on_by_its_code(folder: Path) -> None:
    (bad,) = (example.code for example in ENTRY.manual.examples if example.bad)
    (folder / "off.py").write_text(bad)
    assert flake8(folder, "off.py").stdout == ""
    for select in ("TRN008", "TRN001,TRN008"):
        assert "off.py:2:28: TRN008" in flake8(folder, "off.py", select=select).stdout
    done = flake8(folder, "off.py", "--extend-select=TRN008", select="")
    assert "TRN008" in done.stdout


def test_standard_input_and_names_in_other_files(folder: Path) -> None:
    done = flake8(folder, "-", "--stdin-display-name=new.py", stdin=BROKEN)
    assert done.stdout.startswith("new.py:2:7: TRN001")
    (folder / "models.py").write_text("import torch\nclass Net(torch.nn.Module):\n    pass\n")
    (folder / "y.py").write_text("import torch\nfrom models import *\nnet = Net()\n")
    assert flake8(folder, "y.py").stdout == ""


def test_columns_count_characters_whatever_the_encoding(folder: Path) -> None:
    text = "# coding: latin-1\nimport torch\ns = 'é'; print(undefined)\n"
    (folder / "l.py").write_bytes(text.encode("latin-1"))
    assert "l.py:3:16: TRN001" in flake8(folder, "l.py").stdout


def test_what_cannot_be_parsed_is_flake8s_own_to_tell(folder: Path) -> None:
    (folder / "s.py").write_text("import torch\ndef f(:\n")
    done = flake8(folder, "s.py", select="E9,TRN")
    (line,) = done.stdout.splitlines()
    assert " E999 " in line


def test_torch_is_never_imported(folder: Path) -> None:
    (folder / "torch.py").write_text("open('imported', 'w').close()\n")
    assert "TRN001" in flake8(folder, "x.py").stdout
    assert not (folder / "imported").exists()
