"""Runs the rules over real repositories, and prints the hits of each rule.

    python benchmarks/precision.py [--select CODES] [--list] FOLDER [FOLDER ...]

Each folder is one repository. `--list` prints every hit with its source line, to be opened and
judged; the judged table is docs/precision.md. Only Python files and notebooks are read.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from trainlint.lint.engine import Checked, check_paths
from trainlint.selection import Selection

# Documents show excerpts: a repository's are checked only where one is asked for.
_DOCUMENTS = ("*.md", "*.markdown", "*.rst")


def check_folder(folder: str, select: tuple[str, ...], documents: bool) -> Checked:
    """Everything in one folder."""
    return check_paths([folder], Selection(select), () if documents else _DOCUMENTS)


def main() -> None:
    """Check all folders, two at a time, and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--select", default="", metavar="CODES")
    parser.add_argument("--list", action="store_true", help="print every hit with its line")
    parser.add_argument("--documents", action="store_true", help="check Markdown and reST as well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    select = tuple(filter(None, args.select.split(",")))
    hits: Counter[str] = Counter()
    files = problems = 0
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(check_folder, one, select, args.documents) for one in args.folders]
        for folder, future in zip(args.folders, waiting, strict=True):
            checked = future.result()
            files += checked.files
            hits.update(f"{one.code} {one.name}" for one in checked.findings)
            internal = [one for one in checked.problems if "internal error" in one.message]
            problems += len(internal)
            print(f"{Path(folder).name}: {checked.files} files, {len(checked.findings)} hits")
            for problem in internal:
                print(f"  {problem}")
            if args.list:
                _print_hits(checked)
    print(f"\n{files} files, {hits.total()} hits, {problems} internal errors")
    for name, count in sorted(hits.items()):
        print(f"{count:>6}  {name}")


def _print_hits(checked: Checked) -> None:
    for finding in checked.findings:
        source = checked.sources[finding.location.path]
        line = next(iter(source.excerpt(finding.location)), "").strip()
        print(f"  {finding.location}: {finding.code} {finding.message}\n      {line}")


if __name__ == "__main__":
    main()
