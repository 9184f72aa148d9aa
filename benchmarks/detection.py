"""What `trainlint run` finds in the zoo, and what it wrongly finds, as tables in Markdown.

    PYTHONPATH=tests python benchmarks/detection.py [--seeds 0,1,2] [--programs FOLDER] [--jobs N]

Healthy scripts of `fixtures/zoo` must give neither warning nor error, ill ones exactly those that
their lines name. `--programs` adds a table of other healthy programs: the folder holds what
`trainlint run --output-format json` said of each, as NAME.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from silent_errors import ERRORS
from zoo import ZOO, Watched, marks, scripts, watch_script

from trainlint.registry import DETECTORS, load

Key = tuple[str, str]  # the script's name, and the seed
Results = dict[Key, Watched]


def main() -> None:
    """Watch all scripts, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    seeds = args.seeds.split(",")
    healthy = _watch_all("healthy", seeds, args.jobs)
    ill = _watch_all("ill", seeds, args.jobs, "--max-steps", "200", "--select", "RUN")
    for line in (*_healthy_lines(healthy), *_ill_lines(ill), *_silent_lines(ill)):
        print(line)
    if args.programs is not None:
        print(*_program_lines(args.programs), sep="\n")


def _watch_all(kind: str, seeds: Sequence[str], jobs: int, *options: str) -> Results:
    keys = [(name, seed) for name in scripts(kind) for seed in seeds]

    def watch(key: Key) -> Watched:
        return watch_script(ZOO / kind / f"{key[0]}.py", key[1], *options)

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(keys, pool.map(watch, keys), strict=True))


def _healthy_lines(results: Results) -> Iterator[str]:
    names, alarms = {name for name, _ in results}, _alarms(results)
    yield f"{len(names)} healthy scripts, {len(results)} runs: {len(alarms)} with a false alarm."
    yield ""
    for (name, seed), found in alarms.items():
        yield f"- `{name}`, seed {seed}: {_codes(found)}"
    if alarms:
        yield ""


def _alarms(results: Results) -> dict[Key, list[tuple[str, int]]]:
    return {key: watched.found for key, watched in results.items() if watched.found}


def _ill_lines(results: Results) -> Iterator[str]:
    wanted, named, extra = Counter[str](), Counter[str](), Counter[str]()
    for (name, _), watched in results.items():
        marked = marks(ZOO / "ill" / f"{name}.py")
        wanted.update(code for code, _ in marked)
        named.update(code for code, _ in set(marked) & set(watched.found))
        extra.update(code for code, _ in set(watched.found) - set(marked))
    names = {name for name, _ in results}
    yield f"{len(names)} ill scripts, {len(results)} runs; what is found counts on its own line."
    yield ""
    yield "| detector | marked | found | found elsewhere |"
    yield "|---|---|---|---|"
    titles = {entry.code: entry.name for entry in load(DETECTORS)}
    for code in sorted({*wanted, *extra}):
        yield f"| {code} {titles.get(code, '')} | {wanted[code]} | {named[code]} | {extra[code]} |"
    yield (f"| all | {wanted.total()} | {named.total()} | {extra.total()} |")
    yield ""


def _silent_lines(results: Results) -> Iterator[str]:
    yield "| silent error | what goes wrong | script | named |"
    yield "|---|---|---|---|"
    for error in ERRORS:
        runs = [watched for (name, _), watched in results.items() if name == error.script]
        found = [watched.found for watched in runs]
        told = _codes(found[0]) if found and all(found) else "no"
        where = f"`{error.script}.py`" if runs else f"none: {error.without or 'not yet'}"
        yield f"| {error.name} | {error.wrong} | {where} | {told if runs else '–'} |"
    yield ""


def _program_lines(folder: Path) -> Iterator[str]:
    yield "| program | steps | ended | false alarms |"
    yield "|---|---|---|---|"
    for path in sorted(folder.glob("*.json")):
        watched = Watched(json.loads(path.read_text(encoding="utf-8")), "")
        run = watched.result["run"]
        alarms = _codes(watched.found) or "none"
        yield f"| {path.stem} | {run['steps']} | {run['outcome']} | {alarms} |"


def _codes(found: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{code} (line {line})" for code, line in found)


if __name__ == "__main__":
    main()
