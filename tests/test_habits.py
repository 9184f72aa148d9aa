"""What people know from other linters: telling of fixes, ways to end, what a check would do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli
from command import findings_of, trainlint

LACKING = "import torch\nx = F.relu(torch.ones(2))\n"
MIXED = "import torch\nx = F.relu(torch.ones(2))\nprint(a, x)\n"
NAMES = ["--isolated", "--select", "TRN001,TRN002"]


def test_fix_only(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    done = trainlint("check", "x.py", *NAMES, "--fix-only", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Fixed 1 mistake.\n", "")
    assert "import torch.nn.functional as F\n" in (tmp_path / "x.py").read_text()
    done = trainlint("check", "x.py", *NAMES, "--fix-only", "--output-format", "json", cwd=tmp_path)
    assert (done.returncode, findings_of(done)) == (0, [])
    (tmp_path / "y.py").write_text("import torch\ndef f(:\n")
    done = trainlint("check", ".", *NAMES, "--fix-only", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "Fixed 0 mistakes.\n")
    assert "y.py:2:7: error: syntax error" in done.stderr


def test_fix_only_of_standard_input() -> None:
    done = trainlint("check", "-", *NAMES, "--fix-only", stdin=MIXED.encode())
    assert done.returncode == 0
    assert done.stdout == MIXED.replace("torch\n", "torch\nimport torch.nn.functional as F\n", 1)
    assert done.stderr == "Fixed 1 mistake.\n"


def test_show_fixes(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    (tmp_path / "a.py").write_text(LACKING)
    options = [*NAMES, "--fix", "--show-fixes", "--output-format", "concise"]
    done = trainlint("check", ".", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == (
        "x.py:4:7: TRN001 [undefined-name] `a` is used, but nothing binds it\n"
        "Fixed 2 mistakes:\n- a.py:\n    1 × TRN002 (never-imported)\n"
        "- x.py:\n    1 × TRN002 (never-imported)\n\n"
        "Found 3 mistakes (2 fixed, 1 remaining).\n"
    )
    again = trainlint("check", ".", *options, cwd=tmp_path)
    assert "Fixed" not in again.stdout


def test_how_it_ends(tmp_path: Path) -> None:
    def ends(text: str, *options: str) -> int:
        (tmp_path / "x.py").write_text(text)
        return trainlint("check", "x.py", *NAMES, *options, cwd=tmp_path).returncode

    assert ends(LACKING) == 1
    assert ends(LACKING, "--exit-zero") == 0
    assert ends("import torch\ndef f(:\n", "-e") == 2
    assert ends(LACKING, "--fix") == 0
    assert ends(LACKING, "--fix", "--exit-non-zero-on-fix") == 1
    assert ends("import torch\n", "--fix", "--exit-non-zero-on-fix") == 0
    assert ends(MIXED, "--fix-only", "--exit-non-zero-on-fix") == 1
    assert ends(MIXED, "--fix", "--exit-non-zero-on-fix", "--exit-zero") == 0
    assert ends(LACKING, "--diff", "--exit-zero") == 0


def test_quiet_and_silent(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    loud = trainlint("check", "x.py", *NAMES, "--output-format", "concise", cwd=tmp_path)
    done = trainlint("check", "x.py", *NAMES, "--output-format", "concise", "-q", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == loud.stdout.splitlines()[:2]
    done = trainlint("check", "x.py", *NAMES, "--silent", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    (tmp_path / "x.py").write_text("import torch\n")
    done = trainlint("check", "x.py", "-q", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    done = trainlint("check", "none.py", "-q", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.py: error: no such file" in done.stderr
    (tmp_path / "x.py").write_text(LACKING)
    done = trainlint("check", "x.py", *NAMES, "-q", "--diff", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("--- x.py\n")


def test_quiet_says_nothing_of_a_baseline(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    trainlint("check", "x.py", *NAMES, "--write-baseline", "known.json", cwd=tmp_path)
    (tmp_path / "x.py").write_text("import torch\n")
    options = [*NAMES, "--baseline", "known.json"]
    assert "no longer found" in trainlint("check", "x.py", *options, cwd=tmp_path).stderr
    done = trainlint("check", "x.py", *options, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_show_files(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.md", "b/d.txt", "out/e.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(LACKING)
    done = trainlint("check", "--show-files", "--exclude", "out", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a.py\nb/c.md\n", "")
    done = trainlint("check", "--show-files", "a.py", "none", cwd=tmp_path)
    assert done.stdout == "a.py\nnone\n", "what is named is read, and told of if it is not there"


def test_show_settings(tmp_path: Path) -> None:
    (tmp_path / "trainlint.toml").write_text('select = ["TRN1"]\nignore = ["TRN101"]\n')
    (tmp_path / "a.py").write_text(LACKING)
    options = ["--ignore", "TRN102", "--target-torch", "2.4", "--exclude", "x"]
    done = trainlint("check", "a.py", "--show-settings", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# trainlint.toml\n") or "trainlint.toml\n" in done.stdout
    shown = tomli.loads(done.stdout)
    assert shown["select"] == ["TRN1"]
    assert shown["ignore"] == ["TRN101", "TRN102"]
    assert (shown["target-torch"], shown["exclude"], shown["time-limit"]) == ("2.4", ["x"], 60)
    rules = done.stdout.splitlines()[-1]
    assert "TRN103" in rules
    assert not [code for code in ("TRN101", "TRN102", "TRN201") if code in rules]
    (tmp_path / "trainlint.toml").write_text('select = ["TRX"]\n')
    done = trainlint("check", "a.py", "--show-settings", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


# Name: the file's settings, the options, and which of TRN001 and TRN002 are found.
LAYERS: dict[str, tuple[str, list[str], set[str]]] = {
    "the defaults": ("", [], {"TRN001", "TRN002"}),
    "--select sets all aside": (
        'ignore = ["TRN002"]\nextend-select = ["TRN0"]', ["--select", "TRN002"], {"TRN002"}),
    "--ignore adds": ('ignore = ["TRN002"]', ["--ignore", "TRN001"], set()),
    "--extend-select adds": ('select = ["TRN001"]', ["--extend-select", "TRN002"],
                             {"TRN001", "TRN002"}),
    "--extend-select comes before the file's ignore": (
        'ignore = ["TRN002"]', ["--extend-select", "TRN002"], {"TRN001", "TRN002"}),
    "--ignore comes before the file's longer select": (
        'select = ["TRN002"]', ["--ignore", "TRN0"], set()),
    "the longer of two": ('', ["--select", "TRN0", "--ignore", "TRN002"], {"TRN001"}),
    "the longer of two, the other way": (
        '', ["--select", "TRN002", "--ignore", "TRN0"], {"TRN002"}),
    "ignoring wins": ('', ["--select", "TRN001,TRN002", "--ignore", "TRN002"], {"TRN001"}),
    "all but one": ('', ["--select", "ALL", "--ignore", "TRN001"], {"TRN002"}),
    "per file ignores stay": (
        '[per-file-ignores]\n"x.py" = ["TRN002"]', ["--select", "TRN0"], {"TRN001"}),
}  # fmt: skip


@pytest.mark.parametrize(("config", "options", "expected"), LAYERS.values(), ids=LAYERS)
def test_what_is_selected(
    config: str, options: list[str], expected: set[str], tmp_path: Path
) -> None:
    (tmp_path / "trainlint.toml").write_text(config)
    (tmp_path / "x.py").write_text(MIXED)
    done = trainlint("check", "x.py", *options, "--output-format", "json", cwd=tmp_path)
    found = {one["code"] for one in json.loads(done.stdout)["findings"]}
    assert found & {"TRN001", "TRN002"} == expected
