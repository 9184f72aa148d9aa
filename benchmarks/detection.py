"""What `trainlint run` finds in the zoo, and what it wrongly finds, as tables in Markdown.

    PYTHONPATH=tests python benchmarks/detection.py [--seeds 0,1,2] [--jobs N]
        [--keep FOLDER] [--programs FOLDER]

Healthy scripts of `fixtures/zoo` must give neither warning nor error, ill ones exactly those that
their lines name. What a run said is kept in the folder `--keep`, and not asked for again. With
`--programs`, a table of other healthy programs follows: that folder holds what
`trainlint run --output-format json` said of each, as NAME.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from silent_errors import ERRORS
from zoo import ZOO, Watched, marks, scripts, selection, watch_script

from trainlint.registry import DETECTORS, load

Key = tuple[str, str]  # the script's name, and the seed
Results = dict[Key, Watched]


def main() -> None:
    """Watch all scripts, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    seeds = args.seeds.split(",")
    watch = _Watching(args.keep)
    with ThreadPoolExecutor(args.jobs) as pool:
        healthy = watch.all(pool, "healthy", seeds)
        ill = watch.all(pool, "ill", seeds)
    for line in (*_healthy_lines(healthy), *_ill_lines(ill), *_silent_lines(ill)):
        print(line)
    if args.programs is not None:
        print(*_program_lines(args.programs), sep="\n")


class _Watching:
    """Watches scripts, and keeps what was said in a folder, if there is one."""

    def __init__(self, kept: Path | None) -> None:
        self._kept = kept
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)

    def all(self, pool: Executor, kind: str, seeds: Sequence[str]) -> Results:
        """Every script of a kind, from every seed."""
        keys = [(name, seed) for name in scripts(kind) for seed in seeds]
        said = pool.map(lambda key: self._one(kind, key), keys)
        return dict(zip(keys, said, strict=True))

    def _one(self, kind: str, key: Key) -> Watched:
        name, seed = key
        file = self._kept / f"{kind}-{name}-{seed}.json" if self._kept is not None else None
        if file is not None and file.exists():
            return Watched(json.loads(file.read_text(encoding="utf-8")), "")
        path = ZOO / kind / f"{name}.py"
        wanted = marks(path)
        select = ("--select", selection(wanted)) if wanted else ()
        watched = watch_script(path, seed, "--max-steps", "200", *select)
        if file is not None:
            file.write_text(json.dumps(watched.result), encoding="utf-8")
        return watched


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
        found = watched.found_of(marked)
        wanted.update(code for code, _ in marked)
        named.update(code for code, _ in set(marked) & set(found))
        extra.update(code for code, _ in set(found) - set(marked))
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
