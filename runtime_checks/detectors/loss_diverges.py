"""RUN307: the training loss ends above where it began."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, show
from trainlint.runtime_checks.training_curve import diverges, training_curve


@detector("RUN307", Severity.WARNING, needs=("steps",))
def loss_diverges(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The training loss rises far above its lowest, and above where it began.

    The steps are too long: the weights leave the region in which the loss was low.

    Found where, after 120 steps or more, the median of the last quarter is more than twice the
    lowest level (of ten neighbouring steps, or the first loss), and nine of ten of its losses are
    more than 1.2 times the first one. A loss that is low and doubles is no such thing, nor one that
    rises because the task grows and stays below where it began. Silent with several optimizers,
    where a model acts or teaches between the steps, and where gradients explode or overflow
    (RUN104, RUN105).

    Source: the divergence of TheDeepChecker (twice the lowest loss).
    """
    curve = training_curve(run, limits)
    if isinstance(curve, str):
        yield Abstain(curve)
        return
    if not diverges(curve, limits):
        return
    low, last, first = min(curve.lowest, curve.first), curve.last, curve.first
    yield Found(
        curve.steps[-1].site,
        f"the training loss diverges: {show(first)} at first, {show(low)} at its lowest, "
        f"{show(last)} in the last quarter of {len(curve.losses)} steps",
        hint="lower the learning rate (`--trial lr=0.1` shows what that would do), warm it up, or "
        "clip the gradients",
        related=((curve.optimizer.site, "the optimizer was made here"),),
        evidence=(
            measured("training loss of the first step", first, curve.steps[0].step),
            measured("lowest training loss", low),
            measured("training loss of the last quarter", last, curve.steps[-1].step),
        ),
    )
