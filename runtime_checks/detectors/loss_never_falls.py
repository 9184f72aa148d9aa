"""RUN306: the training loss stands still."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, show
from trainlint.runtime_checks.training_curve import TrainingCurve, training_curve, warms_up

_CAUSES = ("RUN401", "RUN402", "RUN403", "RUN404", "RUN405", "RUN407", "RUN408", "RUN601", "RUN608")


@detector("RUN306", Severity.WARNING, needs=("steps",), explained_by=_CAUSES)
def loss_never_falls(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Over the whole run the training loss does not fall.

    Something keeps the model from learning: a learning rate that is far too small or too great,
    weights that get no gradient, labels that do not belong to their inputs, data without a pattern.

    Found after 120 steps or more, where the mean of the last third is less than 5 % below that of
    the first third, and below by no more than chance (two standard errors over blocks of steps) or
    by less than 1 %. Chance itself must be less than 5 %: a curve too noisy tells nothing. Silent
    with several optimizers, where a model acts or teaches between the steps, where weights were
    loaded, which may leave nothing to fall, during a warm-up, and where the loss rises or bounces,
    which RUN307 and RUN308 tell.

    Source: the plateau of TheDeepChecker (less than 5 % over a period).
    """
    curve = training_curve(run, limits)
    if isinstance(curve, str):
        yield Abstain(curve)
        return
    reason = _why_not(curve, run, limits)
    if reason is not None:
        yield Abstain(reason)
        return
    begin, end, error = _levels(curve)
    fall = begin - end
    if 2 * error > limits.plateau_share * begin and fall < 2 * error:
        yield Abstain("the loss is too noisy to tell")
        return
    if fall > max(limits.plateau_flat_share * begin, min(limits.plateau_share * begin, 2 * error)):
        return
    if -fall > limits.plateau_share * begin:
        return
    yield Found(
        curve.steps[-1].site,
        f"the training loss does not fall: {show(begin)} in the first third of "
        f"{len(curve.losses)} steps, {show(end)} in the last",
        hint="`--trial one-batch` shows whether the model can learn at all, `--trial lr-range` "
        "which learning rate would do; see that inputs and labels belong together",
        related=((curve.optimizer.site, "the optimizer was made here"),),
        evidence=(
            measured("training loss in the first third", begin, curve.steps[0].step),
            measured("training loss in the last third", end, curve.steps[-1].step),
            measured("standard error of their difference", error),
        ),
    )


def _why_not(curve: TrainingCurve, run: Run, limits: Thresholds) -> str | None:
    if run.habits is None:
        return "the run was too short to know how it trains"
    if run.habits.loaded:
        return "weights were loaded: there may be nothing left to fall"
    if warms_up(curve):
        return "the learning rate is still being raised"
    if curve.update is not None and curve.update < limits.plateau_update:
        return "the steps are too small to move anything"
    return None


def _levels(curve: TrainingCurve) -> tuple[float, float, float]:
    """Means of the first and the last third, and the standard error of their difference."""
    begin, end = curve.part(0.0, 1 / 3), curve.part(2 / 3, 1.0)
    error = math.hypot(_error(begin), _error(end))
    return math.fsum(begin) / len(begin), math.fsum(end) / len(end), error


def _error(values: Sequence[float]) -> float:
    """Standard error of a mean, from the means of five blocks: neighbours may be alike."""
    size = len(values) // 5
    blocks = [math.fsum(values[i * size : (i + 1) * size]) / size for i in range(5)]
    return statistics.stdev(blocks) / math.sqrt(5)
