"""RUN301: the evaluation loss rises while the training loss falls."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trainlint.finding import Evidence, Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.evaluations import evaluation_series
from trainlint.runtime_checks.record import Evaluation
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import (
    finite,
    measured,
    noise_of,
    rising_chance,
    show,
    training_between,
)

# From this many evaluations on, single values are smoothed by medians of three and the rise is
# tested; below, no test can reach 1 % (three values have six orders).
LONG = 6
# With so many values after the lowest, the rise is tested: five have 120 orders.
TESTABLE = 5
# A longer series is averaged down to this many values: the test is quadratic.
MOST = 24


@dataclass(frozen=True)
class Pair:
    """One evaluation, and the mean training loss of the steps that led to it."""

    step: int
    evaluation: float
    training: float


@detector("RUN301", Severity.WARNING, needs=("evaluations",))
def overfitting(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The evaluation loss rises while the training loss goes on falling.

    From there on the model learns its training data by heart. The best state was the one at the
    lowest evaluation loss: stop there, or keep it.

    Judged over the evaluations that the script itself makes, those of one line over the same data
    together; one over the data on which it trains is none. Each is
    set against the mean training loss of the steps since the one before. From the lowest
    evaluation loss to the end: the training loss must fall by 2 %, and the evaluation loss rise
    by 10 % (and by 1 % of the first one, so that noise around 0 is nothing). With six evaluations
    or more, lowest and last are medians of three, and the rise after the lowest must be five times
    the noise (by the median change between neighbours: then the loss may have risen and stayed),
    or improbable by chance (Kendall's rank test, 1 %). With fewer, or while it is too short to
    test, it must not once fall back, and rise by 30 %. Fewer than three evaluations, or a
    minimum that is too recent, cannot tell.
    """
    most = 0
    series = [one for one in evaluation_series(run) if not one.training_data]
    if not series:
        yield Abstain("the script evaluates only on the data on which it trains")
        return
    for one in series:
        pairs = _pairs(run, one.evaluations)
        most = max(most, len(pairs))
        turn = _turn(pairs) if len(pairs) >= limits.evaluations else None
        if turn is not None and _overfits(pairs, turn, limits):
            yield Found(
                one.site,
                _message(turn),
                hint="keep the weights of the lowest evaluation loss, or stop there; regularise "
                "(weight decay, dropout), augment, or train on more data",
                evidence=_evidence(pairs, turn),
            )
            return
    if most < limits.evaluations:
        yield Abstain(
            f"needs three finite evaluations after training steps, saw {most}{_more(run)}"
        )


def _more(run: Run) -> str:
    """How to see more, where the budget of steps ended the run."""
    stopped = run.end is not None and run.end.reason == "steps"
    return "; raise --max-steps to see more" if stopped else ""


def _pairs(run: Run, group: Sequence[Evaluation]) -> list[Pair]:
    """Evaluations whose numbers are finite; one before any training has no partner."""
    return [
        Pair(evaluation.step, evaluation.loss, training)
        for evaluation, training in zip(group, training_between(run, group), strict=True)
        if training is not None and finite([evaluation.loss])
    ]


@dataclass(frozen=True)
class Turn:
    """The lowest evaluation loss and the last, each with the training loss of its time."""

    index: int  # of the lowest, among the pairs
    low: Pair
    last: Pair


def _turn(pairs: Sequence[Pair]) -> Turn:
    """Medians of three neighbours in a long series, the values themselves in a short one."""
    if len(pairs) < LONG:
        index = min(range(len(pairs)), key=lambda i: pairs[i].evaluation)
        return Turn(index, pairs[index], pairs[-1])
    smooth = {i: _median_pair(pairs[i - 1 : i + 2]) for i in range(1, len(pairs) - 1)}
    index = min(smooth, key=lambda i: smooth[i].evaluation)
    return Turn(index, smooth[index], _median_pair(pairs[-3:]))


def _median_pair(part: Sequence[Pair]) -> Pair:
    return Pair(
        part[1].step,
        statistics.median(pair.evaluation for pair in part),
        statistics.median(pair.training for pair in part),
    )


def _overfits(pairs: Sequence[Pair], turn: Turn, limits: Thresholds) -> bool:
    low, last = turn.low, turn.last
    rise = last.evaluation - low.evaluation
    falls = low.training - last.training >= limits.training_fall * abs(low.training)
    floor = limits.evaluation_floor * abs(pairs[0].evaluation)
    if not falls or rise < max(limits.evaluation_rise * abs(low.evaluation), floor):
        return False
    tail = [pair.evaluation for pair in pairs[turn.index :]]
    # The lowest value itself is left out: being the lowest, it would always seem to rise.
    if len(tail) > TESTABLE:
        if rise >= limits.evaluation_noise * noise_of([pair.evaluation for pair in pairs]):
            return True
        return rising_chance(_averaged(tail[1:])) < limits.significance
    steady = all(before <= after for before, after in pairwise(tail))
    return len(tail) >= 3 and steady and rise >= limits.evaluation_jump * abs(low.evaluation)


def _averaged(values: Sequence[float]) -> list[float]:
    """At most `MOST` values, each the mean of neighbours."""
    size = -(-len(values) // MOST) or 1
    parts = (values[index : index + size] for index in range(0, len(values), size))
    return [sum(part) / len(part) for part in parts]


def _message(turn: Turn) -> str:
    low, last = turn.low, turn.last
    return (
        f"the evaluation loss rises from {show(low.evaluation)} at step {low.step} to "
        f"{show(last.evaluation)} at step {last.step}, while the training loss falls from "
        f"{show(low.training)} to {show(last.training)}"
    )


def _evidence(pairs: Sequence[Pair], turn: Turn) -> tuple[Evidence, ...]:
    low, last = turn.low, turn.last
    return (
        measured("lowest evaluation loss", low.evaluation, low.step),
        measured("last evaluation loss", last.evaluation, last.step),
        measured("training loss at the lowest", low.training, low.step),
        measured("last training loss", last.training, last.step),
        measured("evaluations", len(pairs)),
    )
