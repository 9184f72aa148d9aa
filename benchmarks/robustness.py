"""Asks every rule about every Python file of folders, without the screens that spare most files.

    python benchmarks/robustness.py FOLDER [FOLDER ...]

No rule may fail, whatever it reads: the standard library's own sources and the packages of an
environment are good reading. Prints each failure with its place, and the slowest files. Ends with
exit code 1 where a rule failed.
"""

from __future__ import annotations

import argparse
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from trainlint.lint.deep import with_deep_stack
from trainlint.lint.files import read_source
from trainlint.lint.model import Script
from trainlint.lint.parse import parse
from trainlint.lint.problem import Unreadable
from trainlint.lint.project import Project
from trainlint.lint.rule import apply_rule
from trainlint.registry import RULES, load


@dataclass(frozen=True)
class Asked:
    """One file: how long it took, and what failed."""

    path: str
    seconds: float
    failures: tuple[str, ...]


def ask(path: str) -> Asked | None:
    """Ask every rule about a file; None for one that cannot be parsed."""
    began = time.process_time()
    try:
        source = read_source(path)
        script = Script(source, parse(source), Project())
    except Unreadable:
        return None
    failures = []
    for entry in load(RULES):
        try:
            for _ in apply_rule(entry, script):
                pass
        except Exception:
            failures.append(f"{entry.code}: {traceback.format_exc(limit=-3)}")
    return Asked(path, time.process_time() - began, tuple(failures))


def files_in(folders: Sequence[str]) -> Iterator[str]:
    """Every Python file, in a stable order."""
    for folder in folders:
        for parent, folders_below, names in os.walk(folder):
            folders_below.sort()
            yield from (os.path.join(parent, n) for n in sorted(names) if n.endswith(".py"))


def _ask_deep(path: str) -> Asked | None:
    return with_deep_stack(partial(ask, path))


def main() -> int:
    """Ask, and print what failed; 1 if anything did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    asked: list[Asked] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for one in pool.map(_ask_deep, files_in(args.folders), chunksize=8):
            if one is not None:
                asked.append(one)
                for failure in one.failures:
                    print(f"{one.path}: {failure}")
    failed = sum(bool(one.failures) for one in asked)
    print(f"{len(asked)} files, {len(load(RULES))} rules; {failed} files on which a rule failed")
    for one in sorted(asked, key=lambda one: -one.seconds)[:5]:
        print(f"{one.seconds:7.1f} s  {one.path}")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
