"""RUN701: a logged curve of which only one point an epoch is left."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.logged import Curve, logged_curves
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

RULE = "TRN701"


@detector("RUN701", Severity.WARNING, confirms=(RULE,), needs=("logs",))
def global_step_stands_still(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Training goes on, and `add_scalar` logs value after value at the same global_step.

    TensorBoard draws them on top of each other: of all the batches of an epoch only the last one
    is seen, as in `add_scalar('train_loss', loss, epoch * len(loader))` within the inner loop.

    Judged for each writer, tag and line. A pair of neighbouring values counts where optimizer
    steps were taken between them; found where the global_step stands still in at least half of
    those pairs, and in two. Values logged without a training step between them (validation
    batches, several environments, several parameter groups) do not count, nor do values
    logged without a global_step.
    """
    judged = False
    for curve in logged_curves(run):
        pairs = curve.trained_pairs()
        still = [pair for pair in pairs if pair[0].global_step == pair[1].global_step]
        if len(still) >= max(limits.log_stalls, limits.log_share * len(pairs)):
            yield _found(curve, len(still), limits)
        elif not still and curve.site is not None and len(pairs) >= limits.log_stalls:
            facts = (measured("different global_steps logged", len(curve.logs)),)
            yield Witness(RULE, Verdict.NOT_REPRODUCED, facts, (curve.site,))
        judged = judged or len(pairs) >= limits.log_stalls
    if not judged:
        yield Abstain("no tag was logged three times, with a global_step, over training steps")


def _found(curve: Curve, still: int, limits: Thresholds) -> Found:
    number, logs = curve.longest_stand()
    first, last = logs[0], logs[-1]
    return Found(
        curve.site,
        f"`{curve.tag}` is logged {count(len(logs), 'time')} at global_step {number}, over "
        f"training steps {first.step} to {last.step}: only the last value is seen",
        hint="let the global_step count batches, such as epoch * len(loader) + i",
        evidence=(
            measured("global_step", number, first.step),
            measured("values logged at that global_step", len(logs), last.step),
            measured("values that stand on the one before", still),
        ),
    )
