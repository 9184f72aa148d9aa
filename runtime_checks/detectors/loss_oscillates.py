"""RUN308: the training loss bounces and does not fall."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, noise_of, show
from trainlint.runtime_checks.training_curve import (
    TrainingCurve,
    alternation,
    diverges,
    training_curve,
)


@detector("RUN308", Severity.WARNING, needs=("steps",))
def loss_oscillates(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The training loss jumps up and down from step to step, and gets nowhere.

    The learning rate is too great: each step leaps over the valley that it aims at.

    Found after 120 steps or more, where the second half lies no more than 10 % below the first
    loss and its noise is more than a quarter of its level, if that noise is three times what it was
    in the first ten and thirty steps, or the median step moves a layer by 2 % or more: noise
    that was there from the start, under small steps, is that of small batches. Found too where,
    over at least a tenth of the level, the loss rises and falls at each step (correlation of
    neighbours below -0.7), unless a pass has two batches, or two tasks take turns.

    Silent with several optimizers, where a model acts or teaches between the steps, where the loss
    diverges (RUN307), and where gradients explode or overflow (RUN104, RUN105).

    Source: after the smoothness of TheDeepChecker.
    """
    curve = training_curve(run, limits)
    if isinstance(curve, str):
        yield Abstain(curve)
        return
    half = curve.part(0.5, 1.0)
    level, noise = sorted(half)[len(half) // 2], noise_of(half)
    if level <= limits.oscillation_level * curve.first or not level:
        return
    if diverges(curve, limits):
        yield Abstain("the loss diverges (RUN307)")
        return
    long = (curve.update or 0.0) > limits.oscillation_update or noise > 3 * noise_of(
        curve.losses[:10]
    )
    grown = long and noise > limits.oscillation_noise * level
    if not (_alternates(curve, run, noise, level) if alternation(half) < -0.7 else grown):
        return
    yield Found(
        curve.steps[-1].site,
        f"the training loss bounces about {show(level)} by {show(noise)} from step to step, and "
        f"does not fall below the {show(curve.first)} of the first step",
        hint="lower the learning rate: `--trial lr=0.1` shows what that would do",
        related=((curve.optimizer.site, "the optimizer was made here"),),
        evidence=(
            measured("training loss of the first step", curve.first, curve.steps[0].step),
            measured("training loss of the second half", level, curve.steps[-1].step),
            measured("its noise", noise),
            measured("correlation of neighbouring losses", alternation(half)),
        ),
    )


def _alternates(curve: TrainingCurve, run: Run, noise: float, level: float) -> bool:
    """Whether the loss rises and falls at each step, and neither batches nor tasks take turns."""
    few = [one.length for one in run.passes if one.training and one.length == 2]
    half = curve.part(0.5, 1.0)
    if few or noise <= 0.1 * level or alternation(half) > -0.7:
        return False
    # Where two tasks take turns, each has a level of its own from the first steps on.
    early = curve.losses[:10]
    return alternation(early) > -0.5 or noise_of(early) < noise / 2
