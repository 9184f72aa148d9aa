"""Times `check` against what merely parsing the same files takes, in one process.

    python benchmarks/check_speed.py [--rounds N] FOLDER [FOLDER ...]

Both are timed in turn, in the same run, as processor time; each round begins with nothing known.
The ratio is what counts: machines differ, and are noisy. Start-up is left out on both sides.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import libcst as cst

from trainlint.lint.deep import with_deep_stack
from trainlint.lint.engine import check_paths
from trainlint.registry import RULES, load
from trainlint.selection import Selection

# What is no Python file is left out: nothing would parse it on the other side.
_OTHERS = ("*.ipynb", "*.md", "*.markdown", "*.rst", "*.txt")


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def parse_all(files: list[Path]) -> None:
    """Parse every file that libcst can read, and keep no tree."""
    for file in files:
        try:
            cst.parse_module(file.read_bytes())
        except (cst.ParserSyntaxError, UnicodeDecodeError):
            continue


def main() -> None:
    """Time each folder, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    load(RULES)
    for folder in args.folders:
        files = sorted(folder.rglob("*.py"))
        rounds = [_round(folder, files) for _ in range(args.rounds)]
        parse, check = (median(figures) for figures in zip(*rounds, strict=True))
        ratio = median(one[1] / one[0] for one in rounds)
        print(f"{folder.name}: {len(files)} files; parse {parse:.2f} s, check {check:.2f} s,"
              f" ratio {ratio:.2f}")  # fmt: skip


def _round(folder: Path, files: list[Path]) -> tuple[float, float]:
    parse = timed(lambda: with_deep_stack(lambda: parse_all(files)))
    return parse, timed(lambda: check_paths([str(folder)], Selection(()), _OTHERS))


if __name__ == "__main__":
    main()
