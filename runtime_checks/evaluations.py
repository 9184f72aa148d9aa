"""The evaluations of a run, in series: those of one line over the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainlint.runtime_checks.record import Evaluation, Site
from trainlint.runtime_checks.run import Run

# What tells the series of a run apart, and is the same in another run of the script.
Key = tuple[Site | None, bool, int]


@dataclass(frozen=True)
class Series:
    """Evaluations of one line over the same data; `number` counts those of its line and kind."""

    site: Site | None
    training_data: bool  # steps were taken on what it evaluates
    number: int
    evaluations: tuple[Evaluation, ...]

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.site, self.training_data, self.number

    @property
    def name(self) -> str:
        """`line 12`, `line 12, training data`, `line 12, data 2`."""
        parts = [f"line {self.site.line}"] if self.site else []
        parts += ["training data"] if self.training_data else []
        parts += [f"data {self.number + 1}"] if self.number else []
        return ", ".join(parts)


def evaluation_series(run: Run) -> list[Series]:
    """All series: first those over data that are held out, then by how often they are seen."""
    found = [series for site, group in _by_site(run) for series in _split(site, group)]
    return sorted(found, key=lambda series: (series.training_data, -len(series.evaluations)))


def _by_site(run: Run) -> list[tuple[Site | None, list[Evaluation]]]:
    groups: dict[Site | None, list[Evaluation]] = {}
    for evaluation in run.evaluations:
        groups.setdefault(evaluation.site, []).append(evaluation)
    return list(groups.items())


def _split(site: Site | None, group: Sequence[Evaluation]) -> list[Series]:
    """By the data where they come again, else by the order in which one line evaluates.

    A script may make its data anew each time: then each pass seems to be over data of its own.
    """
    again = _comes_again(group)
    parts: dict[int | None, list[Evaluation]] = {}
    for evaluation in group:
        parts.setdefault(evaluation.source if again else evaluation.order, []).append(evaluation)
    series: list[Series] = []
    for part in parts.values():
        training = any(evaluation.training_data for evaluation in part)
        number = sum(one.training_data is training for one in series)
        series.append(Series(site, training, number, tuple(part)))
    return series


def _comes_again(group: Sequence[Evaluation]) -> bool:
    """Whether some data were evaluated at more than one time, or all at one time."""
    times: dict[int | None, set[int]] = {}
    for evaluation in group:
        times.setdefault(evaluation.source, set()).add(evaluation.step)
    every = set().union(*times.values())
    return len(every) == 1 or any(len(steps) > 1 for steps in times.values())
