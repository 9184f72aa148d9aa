"""The baseline: the findings that a project has already, so that only new ones are told.

A finding is known by its code, its file, the text of its line and the how manieth of its kind it
is, not by the line's number: it stays the same while lines move above it. The file is JSON, sorted,
with one entry for all findings of one kind on equal lines, so that it can be read and merged.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint._version import __version__
from trainlint.finding import Finding
from trainlint.lint.source import Source
from trainlint.reporters.places import line_text

FORMAT = 1


class BaselineError(ValueError):
    """A file that is no baseline, or cannot be read; its text names the file."""


@dataclass(frozen=True, order=True)
class Kind:
    """What findings that cannot be told apart have in common; `path` counts from the baseline."""

    path: str
    code: str
    line: str


@dataclass(frozen=True)
class Baseline:
    """The findings of a baseline, counted by kind."""

    path: str
    known: Mapping[Kind, int]

    def new(
        self, findings: Iterable[Finding], sources: Mapping[str, Source]
    ) -> tuple[list[Finding], list[Kind]]:
        """The findings that are not in it, and the kinds in it that are found less often now.

        Of equal ones, the first in reading order are the known ones.
        """
        left = Counter(self.known)
        new = []
        for finding in findings:
            kind = kind_of(finding, sources, self.path)
            if left[kind] > 0:
                left[kind] -= 1
            else:
                new.append(finding)
        return new, sorted(kind for kind, count in left.items() if count > 0)


def kind_of(finding: Finding, sources: Mapping[str, Source], baseline: str) -> Kind:
    """The kind of a finding; indentation and the width of spaces in its line do not count."""
    text = " ".join((line_text(finding.location, sources) or "").split())
    return Kind(_from(finding.location.path, baseline), finding.code, text)


def baseline_text(findings: Iterable[Finding], sources: Mapping[str, Source], path: str) -> str:
    """What a baseline that is to stand at `path` holds for these findings."""
    counts = Counter(kind_of(finding, sources, path) for finding in findings)
    entries = [
        {"path": kind.path, "code": kind.code, "line": kind.line, "count": counts[kind]}
        for kind in sorted(counts)
    ]
    whole = {"format": FORMAT, "tool": "trainlint", "version": __version__, "findings": entries}
    # A name that is no text is written in JSON's own way.
    return json.dumps(whole, indent=1) + "\n"


def read_baseline(path: str) -> Baseline:
    """The baseline in a file; raises BaselineError."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = (
            "\n  help: --write-baseline makes one" if isinstance(error, FileNotFoundError) else ""
        )
        raise BaselineError(f"{path}: error: {why}{hint}") from None
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", "nested too deeply, or not UTF-8")
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else path
        raise BaselineError(f"{place}: error: no baseline: not JSON: {why}") from None
    return Baseline(path, _counts(path, data))


def _counts(path: str, data: Any) -> dict[Kind, int]:
    if not isinstance(data, dict) or not isinstance(data.get("findings"), list):
        raise BaselineError(f"{path}: error: no baseline: it has no list `findings`")
    if data.get("format") != FORMAT:
        raise BaselineError(
            f"{path}: error: a baseline of another format, {data.get('format')!r}"
            "\n  help: write it again with --write-baseline"
        )
    counts: Counter[Kind] = Counter()
    for number, entry in enumerate(data["findings"]):
        kind, count = _entry(path, number, entry)
        counts[kind] += count
    return counts


def _entry(path: str, number: int, entry: Any) -> tuple[Kind, int]:
    match entry:
        case {"path": str(file), "code": str(code), "line": str(line), "count": int(count)}:
            if count >= 1 and count is not True:
                return Kind(file, code, line), count
    raise BaselineError(
        f"{path}: error: no baseline: `findings[{number}]` must have the texts `path`, `code`"
        " and `line`, and a `count` of at least 1"
    )


def stale(kinds: Sequence[Kind], baseline: str, asked: Callable[[str, str], bool]) -> list[Kind]:
    """Of kinds that were not found, those that a check should have found.

    `asked` tells whether a check asked for a code in a file, which is named from the working
    folder. What stands in a file that is gone cannot come back.
    """
    where = [(kind, _back(kind.path, baseline)) for kind in kinds]
    return [kind for kind, path in where if not os.path.exists(path) or asked(path, kind.code)]


def _folder(baseline: str) -> str:
    return os.path.dirname(os.path.realpath(baseline))


def _from(path: str, baseline: str) -> str:
    """A file from the folder of the baseline, spelled alike on every system."""
    try:
        return os.path.relpath(_real(path), _folder(baseline)).replace(os.sep, "/")
    except ValueError:  # on another drive
        return os.path.abspath(path).replace(os.sep, "/")


def _real(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def _back(path: str, baseline: str) -> str:
    return os.path.normpath(os.path.join(_folder(baseline), path))
