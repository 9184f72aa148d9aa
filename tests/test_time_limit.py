"""A limit to the time that a file may take: it is told, and the other files are checked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from command import findings_of, trainlint

from trainlint.lint.deep import with_deep_stack
from trainlint.lint.limit import Limiter

MISTAKE = "import torch\nprint(a)\n"
TOLD = "not checked: it takes more than the time limit of 0.5 s"

# A rule that comes to no end in files of one name, and catches all that a rule could.
ENDLESS = """\
import sys
import trainlint.lint.asking as asking
apply_rule = asking.apply_rule
def endless(entry, script):
    while "slow" in script.source.path:
        try:
            sum(range(1000))
        except Exception:
            pass
    yield from apply_rule(entry, script)
asking.apply_rule = endless
from trainlint.cli import main
main()
"""


def checked(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`trainlint check` with that rule."""
    command = [sys.executable, "-c", ENDLESS, "check", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.py", "slow.py", "slow2.py", "z.py"):
        (tmp_path / name).write_text(MISTAKE)
    return tmp_path


def test_it_is_told_and_the_others_are_checked(folder: Path) -> None:
    done = checked(".", "--isolated", "--time-limit", "0.5", cwd=folder)
    assert done.returncode == 2
    assert "a.py:2:7: TRN001" in done.stdout
    assert "z.py:2:7: TRN001" in done.stdout
    assert done.stderr == "".join(
        f"{name}: error: {TOLD}\n"
        "  help: raise it with --time-limit or `time-limit`, or leave the file out with --exclude\n"
        for name in ("slow.py", "slow2.py")
    )
    assert done.stdout.endswith("Found 2 mistakes in 2 files; 2 paths could not be checked.\n")


def test_from_a_configuration_each_file_s_own(folder: Path) -> None:
    (folder / "trainlint.toml").write_text("time-limit = 0.5\n")
    done = checked("slow.py", "z.py", "--output-format", "json", cwd=folder)
    assert done.returncode == 2
    assert findings_of(done)[0] == ("TRN001", 2)
    assert [one["message"] for one in json.loads(done.stdout)["problems"]] == [TOLD]
    done = trainlint("config", ".", cwd=folder)
    assert "time-limit = 0.5\n" in done.stdout


def test_several_files_in_several_processes(folder: Path) -> None:
    for number in range(30):
        (folder / f"b{number}.py").write_text(MISTAKE + "# much\n" * 2000)
    done = checked(".", "--isolated", "--time-limit", "0.5", "--output-format", "json", cwd=folder)
    assert done.returncode == 2
    assert len(findings_of(done)) == 32
    assert len(json.loads(done.stdout)["problems"]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time-limit = '1'\n", "`time-limit` must be a number of seconds, or 0; it is '1'"),
        ("time-limit = -1\n", "`time-limit` must be a number of seconds, or 0; it is -1"),
        ("time-limit = nan\n", "`time-limit` must be a number of seconds, or 0; it is nan"),
        ("time-limit = true\n", "`time-limit` must be a number of seconds, or 0; it is True"),
        ("timelimit = 1\n", "unknown key `timelimit` in trainlint.toml; did you mean `time-limit`"),
    ],
)
def test_a_wrong_limit(text: str, message: str, folder: Path) -> None:
    (folder / "trainlint.toml").write_text(text)
    done = trainlint("check", "a.py", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_option(folder: Path) -> None:
    for wrong in ("-1", "nan", "x"):
        done = trainlint("check", "a.py", "--time-limit", wrong, cwd=folder)
        assert done.returncode == 2
        assert "--time-limit" in done.stderr
    done = trainlint("check", "a.py", "--isolated", "--time-limit", "0", cwd=folder)
    assert done.returncode == 1, "0 is no limit"


# -- the limiter itself ----------------------------------------------------------------------------


def _spin(seconds: float) -> str:
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass
    return "done"


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


def test_each_run_ends_by_itself() -> None:
    limiter = Limiter()

    def work() -> list[str]:
        much = (0, 9, 0.1, 9, 0)
        return [limiter.run(0.3, partial(_spin, one), lambda: "late") for one in much]

    assert with_deep_stack(work, limiter.watch) == ["done", "late", "done", "late", "done"]


def test_nothing_strays_into_what_follows() -> None:
    """Runs that take about as long as they may end one way or the other, and no third."""
    limiter = Limiter()

    def work() -> set[str]:
        spins = [partial(_spin, 0.001 * (number % 20)) for number in range(400)]
        return {limiter.run(0.006, spin, lambda: "late") for spin in spins}

    def watch() -> float:
        limiter.watch()
        return 0.0005

    assert with_deep_stack(work, watch) == {"done", "late"}


def test_waiting_is_no_work() -> None:
    limiter = Limiter()

    def work() -> str:
        return limiter.run(0.2, partial(_sleep, 1), lambda: "late")

    assert with_deep_stack(work, limiter.watch) == "done"


def test_what_is_raised_is_raised() -> None:
    limiter = Limiter()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        with_deep_stack(lambda: limiter.run(5, fail, lambda: None), limiter.watch)
