"""The training loss of a run as a curve that can be judged, or why it cannot be."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from trainlint.runtime_checks.detection import Thresholds
from trainlint.runtime_checks.explosion import find_explosion
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import median


@dataclass(frozen=True)
class TrainingCurve:
    """The losses of one optimizer's steps, all of them finite and above 0."""

    optimizer: OptimizerInfo
    steps: tuple[Step, ...]
    losses: tuple[float, ...]

    def part(self, begin: float, end: float) -> Sequence[float]:
        """The losses from one share of the run to another."""
        count = len(self.losses)
        return self.losses[round(begin * count) : round(end * count)]

    @property
    def first(self) -> float:
        """The loss before any update; a bad step spoils what comes after it."""
        return self.losses[0]

    @property
    def usual(self) -> float:
        """What nine of ten losses of the last quarter lie above."""
        part = sorted(self.part(0.75, 1.0))
        return part[len(part) // 10]

    @property
    def update(self) -> float | None:
        """Median over the second half of how far a step moves the layer that moves most."""
        ratios = [step.update_ratio for step in self.steps[len(self.steps) // 2 :]]
        return median(ratios)

    @property
    def last(self) -> float:
        """Median of the last quarter."""
        return statistics.median(self.part(0.75, 1.0))

    @property
    def lowest(self) -> float:
        """The lowest median of ten neighbours, each beginning where the one before ends."""
        blocks = [self.losses[i : i + 10] for i in range(0, len(self.losses) - 9, 10)]
        return min(statistics.median(block) for block in blocks)


def training_curve(run: Run, limits: Thresholds) -> TrainingCurve | str:
    """The curve, or a clause that says why its shape tells nothing.

    Where optimizers play against each other, where models act or teach between the steps, or
    where the loss has no floor at 0, a loss that rises or stands still is how the training works.
    """
    if len(run.optimizers) != 1:
        return "several optimizers share the training: their losses need not fall"
    habits = run.habits
    if habits is not None and habits.environments:
        return "the loss of reinforcement learning need not fall"
    if habits is not None and habits.between >= limits.curve_between_share * habits.steps:
        return "a model is called without a graph between the steps, to act or to teach"
    (info,) = run.optimizers.values()
    taken = [step for step in run.steps if not step.skipped and step.loss is not None]
    losses = [step.loss for step in taken if step.loss is not None]
    if len(losses) < limits.curve_steps:
        return f"needs {limits.curve_steps} steps with a loss, saw {len(losses)}"
    if not all(map(math.isfinite, losses)) or find_explosion(taken, limits) is not None:
        return "the gradients or the loss overflow: that is told by itself"
    if min(losses) < 0:
        return "the loss has no floor at 0"
    if len({step.site for step in taken}) > 1:
        return "more than one line steps the optimizer"
    return TrainingCurve(info, tuple(taken), tuple(losses))


def warms_up(curve: TrainingCurve) -> bool:
    """Whether the learning rate was far below its greatest for most of the run, or still rises."""
    rates = [max(step.lrs, default=0.0) for step in curve.steps]
    most = max(rates)
    low = sum(rate < 0.1 * most for rate in rates)
    return most == 0 or low > len(rates) / 2 or rates[-1] > 1.2 * (median(rates) or 0.0)


def alternation(losses: Sequence[float]) -> float:
    """Correlation of each loss with the one before, about a running mean of four.

    -1 where each rises and falls; about -0.4 for noise.
    """
    flat = [losses[i] - math.fsum(losses[i - 2 : i + 2]) / 4 for i in range(2, len(losses) - 1)]
    power = math.fsum(value * value for value in flat)
    if not power:
        return 0.0
    return math.fsum(a * b for a, b in pairwise(flat)) / power


def diverges(curve: TrainingCurve, limits: Thresholds) -> bool:
    """Whether the last quarter lies far above the lowest level, and above where the run began."""
    low = min(curve.lowest, curve.first)
    above = curve.usual > limits.divergence_rise * curve.first
    return above and curve.last > limits.divergence_ratio * low
