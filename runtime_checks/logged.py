"""The curves that a script logs, by writer, tag and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from trainlint.runtime_checks.record import Log, Site
from trainlint.runtime_checks.run import Run

Pair = tuple[Log, Log]


@dataclass(frozen=True)
class Curve:
    """The values of one writer and tag that one line logged, in order."""

    tag: str
    site: Site | None
    logs: tuple[Log, ...]

    def pairs(self) -> list[Pair]:
        """Neighbouring values."""
        return list(pairwise(self.logs))

    def trained_pairs(self) -> list[Pair]:
        """Neighbouring values with a training step between them."""
        return [pair for pair in self.pairs() if pair[1].step > pair[0].step]

    def falls(self) -> list[Pair]:
        """Neighbouring values of which the later one has the lower global_step."""
        return [pair for pair in self.pairs() if _number(pair[1]) < _number(pair[0])]

    def longest_stand(self) -> tuple[int, Sequence[Log]]:
        """The most values in a row at one global_step, and that global_step."""
        rows = [(number, list(row)) for number, row in groupby(self.logs, key=_number)]
        return max(rows, key=lambda row: len(row[1]))


def _number(log: Log) -> int:
    return -1 if log.global_step is None else log.global_step


def logged_curves(run: Run) -> list[Curve]:
    """Every curve of the run; values without a global_step are left out."""
    found: dict[tuple[int, str, Site | None], list[Log]] = {}
    for log in run.logs:
        if log.global_step is not None:
            found.setdefault((log.writer, log.tag, log.site), []).append(log)
    return [Curve(tag, site, tuple(logs)) for (_, tag, site), logs in found.items()]
