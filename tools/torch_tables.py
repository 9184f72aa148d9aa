"""Makes `lint/torch_api.json` from torch's sources: what came, went, was deprecated, and when.

    python tools/torch_tables.py FOLDER [FOLDER ...]

Each folder holds one unpacked wheel of torch; the more versions, the more exact the table. The
sources are read as text and never imported. A name that a version may have counts as had.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from torch_releases import Release, read_release

_OLDEST = (2, 2)  # the oldest target that a user can name
_TABLE = Path(__file__).parents[1] / "lint" / "torch_api.json"


def version_key(version: str) -> tuple[int, ...]:
    """`2.10` after `2.9`."""
    return tuple(int(part) for part in version.split("."))


def spans(releases: list[Release]) -> dict[str, list[str | None]]:
    """For each name that not all releases have: the first that has it, and the first after it.

    None stands for no such release: it was always there, or is still there.
    """
    names = sorted(set().union(*(release.public for release in releases)))
    result: dict[str, list[str | None]] = {}
    for name in names:
        having = [i for i, release in enumerate(releases) if release.has(name)]
        first, last = having[0], having[-1]
        if last == len(releases) - 1 and version_key(releases[first].version) <= _OLDEST:
            continue
        came = releases[first].version if first else None
        gone = releases[last + 1].version if last + 1 < len(releases) else None
        result[name] = [came, gone]
    return {name: span for name, span in result.items() if not _with_parent(name, span, result)}


def _with_parent(name: str, span: list[str | None], result: dict[str, list[str | None]]) -> bool:
    """Whether the module or class that holds a name came and went with it."""
    return result.get(name.rpartition(".")[0]) == span


def deprecations(releases: list[Release]) -> dict[str, list[str]]:
    """Since which release a name is marked as deprecated, and the words; only if it still is."""
    result: dict[str, list[str]] = {}
    for release in releases:
        for name, words in release.deprecated.items():
            since = result.get(name, [release.version])[0]
            result[name] = [since, words]
    newest = releases[-1]
    return {
        name: entry
        for name, entry in sorted(result.items())
        if name in newest.deprecated or name not in newest.present
    }


def gone_keywords(releases: list[Release]) -> dict[str, dict[str, str]]:
    """Keywords that a function or class took once, with the first release that does not."""
    result: dict[str, dict[str, str]] = {}
    for name in sorted(set().union(*(release.parameters for release in releases))):
        signatures = [
            (release.version, release.parameters[name])
            for release in releases
            if name in release.parameters
        ]
        newest = signatures[-1][1]
        ever = set().union(*(taken for _, taken in signatures if taken is not None))
        if newest is None or name not in releases[-1].present:
            continue
        for keyword in sorted(ever - newest):
            with_it = [i for i, (_, taken) in enumerate(signatures) if taken and keyword in taken]
            after = signatures[with_it[-1] + 1 :]
            if all(taken is not None for _, taken in after):
                result.setdefault(name, {})[keyword] = after[0][0]
    return result


def main() -> None:
    """Read all folders and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    releases = [read_release(folder) for folder in parser.parse_args().folders]
    releases.sort(key=lambda release: version_key(release.version))
    table = {
        "versions": [release.version for release in releases],
        "spans": spans(releases),
        "deprecated": deprecations(releases),
        "keywords": gone_keywords(releases),
    }
    lines = [f'"versions": {json.dumps(table["versions"])}']
    for part in ("spans", "deprecated", "keywords"):
        rows = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in table[part].items()]  # type: ignore[attr-defined]
        lines.append(f'"{part}": {{\n' + ",\n".join(rows) + "\n}")
    _TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
