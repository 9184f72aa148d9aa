"""Times `trainlint check` against other linters of training code, as whole commands, in turn.

    python benchmarks/peers.py [--rounds N] FOLDER [FOLDER ...]

The peers are installed from PyPI into an environment of their own. In each round every command runs
once on every folder, so that whatever else the machine does meets all of them; the medians are
printed as Markdown, each with its ratio to the first, by the clock and by processor time, that of
child processes included, and the most memory of one process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PEERS = ("torchfix", "flake8")
_CHECK = (sys.executable, "-m", "trainlint", "check", "--isolated")


@dataclass(frozen=True)
class Command:
    """One way to check a folder; the paths follow its words."""

    name: str
    words: tuple[str, ...]
    one_file: bool = False


@dataclass(frozen=True)
class Taken:
    """What one call took: seconds by the clock and of the processor, MiB of its largest process."""

    clock: float
    processor: float
    memory: float


def commands(peers: Path, cache: str) -> list[Command]:
    """All that are compared; the first is what the others are measured by."""
    python = (str(peers / "bin" / "python"), "-I", "-m")  # -I: none of our own packages
    kept = (*_CHECK, "--cache-dir", cache)
    return [
        Command("trainlint, one process, no cache", (*_CHECK, "--no-cache", "-j", "1")),
        Command("trainlint, two processes, no cache", (*_CHECK, "--no-cache", "-j", "2")),
        Command("trainlint, nothing changed since", kept),
        Command("torchfix, one process", (*python, "torchfix", "--select=ALL", "-j1")),
        Command("flake8 with torchfix, one process", (*python, "flake8", "-j1", "--select=TOR")),
        Command("trainlint, one file", (*_CHECK, "--no-cache"), one_file=True),
        Command("torchfix, one file", (*python, "torchfix", "--select=ALL", "-j1"), one_file=True),
        Command("python, doing nothing", (sys.executable, "-c", "pass")),
    ]


def take(words: Sequence[str]) -> Taken:
    """Run a command to its end; what it prints is not looked at, but that it ran is."""
    start = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    clock = time.perf_counter() - start
    if process.returncode not in (0, 1, 2) or b"Traceback" in told or b"No module named" in told:
        raise SystemExit(f"{' '.join(words[:6])} …: {told.decode(errors='replace')[-600:]}")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Taken(clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale)


def install(folder: Path) -> Path:
    """An environment with the peers."""
    venv.create(folder, with_pip=True)
    words = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PEERS)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(words, check=True, env=environment)
    return folder


def rounds(folder: Path, peers: Path, count: int) -> dict[str, list[Taken]]:
    """Every command on a folder, in turn."""
    largest = max(folder.rglob("*.py"), key=lambda path: path.stat().st_size)
    taken: dict[str, list[Taken]] = {}
    with tempfile.TemporaryDirectory() as cache:
        known = commands(peers, cache)
        take((*known[2].words, str(folder)))  # so that there is something kept
        for _ in range(count):
            for one in known:
                path = str(largest if one.one_file else folder)
                taken.setdefault(one.name, []).append(take((*one.words, path)))
    return taken


def table(folder: Path, taken: dict[str, list[Taken]]) -> Iterator[str]:
    """The medians, as Markdown."""
    files = list(folder.rglob("*.py"))
    lines = sum(file.read_bytes().count(b"\n") for file in files)
    yield f"\n{folder.name}: {len(files)} Python files, {lines:,} lines\n"
    yield "| command | seconds | to the first | processor seconds | to the first | MiB |"
    yield "|---|---|---|---|---|---|"
    first = next(iter(taken.values()))
    for name, calls in taken.items():
        pairs = list(zip(first, calls, strict=True))
        clock = median(one.clock for one in calls), median(b.clock / a.clock for a, b in pairs)
        processor = (
            median(one.processor for one in calls),
            median(b.processor / a.processor for a, b in pairs),
        )
        figures = " | ".join(f"{figure:.2f}" for figure in (*clock, *processor))
        yield f"| {name} | {figures} | {max(one.memory for one in calls):.0f} |"


def main() -> None:
    """Time each folder, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peers = install(Path(folder))
        for one in args.folders:
            print("\n".join(table(one, rounds(one, peers, args.rounds))), flush=True)


if __name__ == "__main__":
    main()
