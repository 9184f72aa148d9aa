"""A standard output that is closed or full ends with one message and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT

FULL = Path("/dev/full")
COMMANDS = (
    ["check", "fixtures/broken.py"],
    ["check", "fixtures/broken.py", "--output-format", "json"],
    ["rules"],
    ["explain", "TRN201"],
    ["--help"],
)


def shell(*arguments: str, to: str) -> subprocess.CompletedProcess[str]:
    """Run the command with its output sent somewhere by the shell."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m trainlint "$@" {to}', sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("to", [">&-", pytest.param(">/dev/full", marks=pytest.mark.skipif(
    not FULL.exists(), reason="the system has no /dev/full"))])  # fmt: skip
def test_one_message_and_two(arguments: list[str], to: str) -> None:
    done = shell(*arguments, to=to)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output")
    assert len(done.stderr.splitlines()) == 2


def test_a_closed_output_is_told_before_a_script_is_run(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = shell("run", str(script), to=">&-")
    assert (done.returncode, "standard output is closed" in done.stderr) == (2, True)
    assert not (tmp_path / "ran").exists()


def test_a_script_may_print_into_a_closed_output(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('x' * 100_000)\n")
    report = tmp_path / "report.json"
    done = shell(
        "run", str(script), "-o", str(report), "--output-format", "json", to=">&-"
    )  # fmt: skip
    assert done.returncode == 2  # it never trains
    assert '"outcome": "finished"' in report.read_text()


def test_a_closed_error_stream_changes_nothing() -> None:
    done = shell("check", "fixtures/broken.py", to="2>&-")
    assert done.returncode == 1
    assert done.stdout.endswith("\n")
