"""`trainlint check --watch`, as someone has it running beside an editor."""

from __future__ import annotations

import os
import pty
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import ROOT, trainlint
from training_cases import SOFTMAX_MODEL

# Seconds; a loaded machine is slow, and nothing here waits for as long without need.
PATIENCE = 60
WAITING = "Watching for changes; Ctrl-C ends it."


class Watcher:
    """A check that goes on; reads what it reports, round by round."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.decode())

    def report(self) -> str:
        """All that is said up to where it waits for the next change."""
        told = ""
        while WAITING not in told:
            told += self._lines.get(timeout=PATIENCE)
        return told

    def is_quiet(self) -> bool:
        """Whether nothing is said for a while."""
        try:
            return not self._lines.get(timeout=2)
        except queue.Empty:
            return True

    def interrupt(self) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[Watcher]:
    """`trainlint check --watch` in a folder; both of its outputs as one."""
    command = [sys.executable, "-m", "trainlint", "check", "--watch", *arguments]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield Watcher(process)
        finally:
            process.kill()


def write(folder: Path, name: str, text: str) -> None:
    """Write a file as careful editors do: another one takes its place."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


def test_it_checks_again_whatever_changes(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "import torch\nprint(net)\n")
    with watching(tmp_path, "--output-format", "concise") as watcher:
        first = watcher.report()
        assert "a.py:2:7: TRN001" in first
        assert "Found 1 mistake in 1 file." in first
        assert "\x1b" not in first  # no terminal, whose screen could be cleared
        write(tmp_path, "a.py", "import torch\nnet = 1\nprint(net)\n")
        assert "All clear" in watcher.report()
        write(tmp_path, "new/b.py", "import torch\nprint(nets)\n")
        while "TRN001" not in (told := watcher.report()):
            pass  # the folder can come a moment before its file
        assert "b.py:2:7" in told
        write(tmp_path, "trainlint.toml", 'ignore = ["TRN001"]\n')
        assert "All clear" in watcher.report()
        write(tmp_path, "trainlint.toml", 'ignor = ["TRN001"]\n')
        assert "did you mean `ignore`?" in watcher.report()
        (tmp_path / "trainlint.toml").unlink()
        assert "TRN001" in watcher.report()
        (tmp_path / "new/b.py").unlink()
        assert "All clear" in watcher.report()
        (tmp_path / "notes.log").write_text("no file that is checked")
        assert watcher.is_quiet()
        assert watcher.interrupt() == 130


TRAIN = """import torch
from data import loader
from models.net import Net

net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for x, y in loader:
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()
"""


def test_what_a_file_imports_counts_and_what_lies_above(tmp_path: Path) -> None:
    write(tmp_path, "models/net.py", SOFTMAX_MODEL)
    write(tmp_path, "train.py", TRAIN)
    with watching(tmp_path, "train.py", "--output-format", "concise") as watcher:
        assert "TRN401" in watcher.report()
        write(tmp_path, "models/net.py", SOFTMAX_MODEL.replace(", nn.Softmax(dim=1)", ""))
        assert "All clear" in watcher.report()
    (tmp_path / "pyproject.toml").write_text("")
    write(tmp_path, "models/net.py", SOFTMAX_MODEL + "print(net)\n")
    with watching(tmp_path / "models", "net.py", "--output-format", "concise") as watcher:
        assert "TRN001" in watcher.report()
        write(tmp_path, "pyproject.toml", "[tool.trainlint]\nignore = ['TRN001']\n")
        assert "All clear" in watcher.report()


def test_it_mends_as_it_watches(tmp_path: Path) -> None:
    broken = "import torch\nprint(F.relu(torch.ones(1)))\n"
    write(tmp_path, "a.py", broken)
    with watching(tmp_path, "--fix") as watcher:
        assert "1 fixed" in watcher.report()
        assert "All clear" in watcher.report()  # what it wrote itself is a change as well
        write(tmp_path, "b.py", broken)
        assert "1 fixed" in watcher.report()
        assert "All clear" in watcher.report()
        assert watcher.is_quiet()
    assert "import torch.nn.functional as F" in (tmp_path / "b.py").read_text()


def test_a_terminal_is_cleared(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "import torch\n")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "trainlint", "check", "-w"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        told = b""
        while WAITING.encode() not in told:
            told += os.read(ours, 1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    os.close(ours)
    assert told.startswith(b"\x1b[2J")


REFUSED = {
    "-": ["-"],
    "--output-file": ["-o", "found.txt"],
    "--diff": ["--diff"],
    "--write-baseline": ["--write-baseline", "known.json"],
    "--add-ignore": ["--add-ignore"],
    "--output-format sarif": ["--output-format", "sarif"],
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_makes_no_sense_again_and_again_is_refused(option: str, tmp_path: Path) -> None:
    done = trainlint("check", "--watch", *REFUSED[option], cwd=tmp_path)
    assert done.returncode == 2
    assert f"; {option} is for a check that ends" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_from_the_start_ends_it(tmp_path: Path) -> None:
    done = trainlint("check", "--watch", "--select", "TRN9999", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown code 'TRN9999'" in done.stderr


def test_without_watchfiles_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "watchfiles.py").write_text("raise ModuleNotFoundError(name='watchfiles')\n")
    done = trainlint("check", "--watch", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 2
    assert done.stderr == (
        "error: --watch needs watchfiles, which is not installed\n"
        "  help: pip install 'torch-trainlint[watch]'\n"
    )
