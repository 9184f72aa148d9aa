"""RUN702: a logged curve that runs back."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.logged import Curve, Pair, logged_curves
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

RULE = "TRN703"


@detector("RUN702", Severity.WARNING, confirms=(RULE,), needs=("logs",))
def global_step_falls(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The global_step of a logged curve falls back again and again.

    Most often it is the batch index, which starts from 0 in every epoch: TensorBoard draws the
    epochs over each other as one zigzag.

    Judged for each writer, tag and line. Falling once proves little, since a counter that was
    resumed, or a second training in one script, falls too. Found where it falls at least
    twice, and in at least half of the passes over the training data. A curve that never falls,
    though it is logged in several passes, speaks against the static rule.
    """
    training = [one.step for one in run.passes if one.training]
    curves = logged_curves(run)
    if not curves:
        yield Abstain("no value was logged with a global_step")
    for curve in curves:
        falls = curve.falls()
        begun = sum(1 for step in training if step > curve.logs[0].step)
        if len(falls) >= max(limits.log_falls, limits.log_share * begun):
            yield _found(curve, falls)
        elif falls:
            yield Abstain(f"`{curve.tag}` fell {count(len(falls), 'time')}: a restart does too")
        elif curve.site is not None and _spans(curve, training) >= limits.log_falls:
            facts = (measured("values logged without a fall", len(curve.logs)),)
            yield Witness(RULE, Verdict.NOT_REPRODUCED, facts, (curve.site,))


def _spans(curve: Curve, passes: list[int]) -> int:
    """How many training passes began between a curve's first value and its last."""
    first, last = curve.logs[0].step, curve.logs[-1].step
    return sum(1 for step in passes if first < step <= last)


def _found(curve: Curve, falls: list[Pair]) -> Found:
    before, after = falls[0]
    return Found(
        curve.site,
        f"the global_step of `{curve.tag}` falls {count(len(falls), 'time')}, first from "
        f"{before.global_step} to {after.global_step} at training step {after.step}",
        hint="let the global_step count batches over all epochs, such as epoch * len(loader) + i",
        evidence=(
            measured("global_step", before.global_step, before.step),
            measured("global_step", after.global_step, after.step),
            measured("falls", len(falls)),
        ),
    )
