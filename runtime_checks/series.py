"""Series of measured numbers: how they are summed up, thinned and shown."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from trainlint.finding import Evidence
from trainlint.runtime_checks.record import Evaluation
from trainlint.runtime_checks.run import Run

Point = tuple[int, float]


def show(value: float | None) -> str:
    """A number in three digits, a dash for none."""
    return "-" if value is None else f"{value:.3g}"


def count(number: int, noun: str) -> str:
    """`1 step`, `2 steps`, `2 passes`, `2 batches`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'tch')) else 's'}"


def measured(quantity: str, value: float | str | None, step: int | None = None) -> Evidence:
    """Evidence; a non-finite number is spelled out, since JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    return Evidence(quantity, value, step)


def finite(values: Iterable[float | None]) -> list[float]:
    """Those values that are numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]


def median(values: Iterable[float | None]) -> float | None:
    """Median of the finite values, None of nothing."""
    kept = finite(values)
    return statistics.median(kept) if kept else None


def last_mean(values: Iterable[float | None], window: int = 10) -> float | None:
    """Mean of the last `window` known values; where one of them is not finite, that one."""
    kept = [value for value in values if value is not None][-window:]
    broken = [value for value in kept if not math.isfinite(value)]
    if broken:
        return broken[-1]
    return math.fsum(kept) / len(kept) if kept else None


def thin(
    points: Sequence[Point], limit: int = 200, key: Callable[[Point], float] | None = None
) -> list[Point]:
    """At most `limit` points; of each stretch its last, or the one with the greatest `key`."""
    if len(points) <= limit:
        return list(points)
    edges = [index * len(points) // limit for index in range(limit + 1)]
    stretches = [points[low:high] for low, high in pairwise(edges)]
    return [max(part, key=key) if key else part[-1] for part in stretches]


def training_between(run: Run, evaluations: Sequence[Evaluation]) -> list[float | None]:
    """Per evaluation, the mean training loss over the steps since the one before it."""
    means: list[float | None] = []
    begin = 0
    for evaluation in evaluations:
        losses = finite(step.loss for step in run.steps if begin <= step.step < evaluation.step)
        means.append(math.fsum(losses) / len(losses) if losses else None)
        begin = evaluation.step
    return means


def rising_chance(values: Sequence[float], rounds: int = 2000) -> float:
    """One-sided p-value that `values` rise as they do by chance: Kendall's S, permuted.

    Seeded, so that a record is always judged alike.
    """
    observed = _kendall(values)
    shuffled = list(values)
    generator = random.Random(0)
    hits = 0
    for _ in range(rounds):
        generator.shuffle(shuffled)
        hits += _kendall(shuffled) >= observed
    return (hits + 1) / (rounds + 1)


def _kendall(values: Sequence[float]) -> int:
    """Pairs in rising order less pairs in falling order."""
    return sum(
        (later > earlier) - (later < earlier)
        for index, earlier in enumerate(values)
        for later in values[index + 1 :]
    )


def noise_of(values: Sequence[float]) -> float:
    """Standard deviation of the noise in a series with a slow trend; 0 for fewer than two values.

    From the median absolute change between neighbours, which for normal noise is 0.954 deviations
    (0.6745 times the square root of 2).
    """
    changes = [abs(after - before) for before, after in pairwise(values)]
    return statistics.median(changes) / 0.954 if changes else 0.0
