"""RUN302: whether a model is evaluated in training mode; it answers a static rule."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULE = "TRN304"


@detector("RUN302", Severity.INFO, confirms=(RULE,))
def evaluation_in_training_mode(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A model with Dropout or BatchNorm is called without a graph, in training mode.

    This is never a finding: a generator that is sampled, or Dropout that is to tell how sure a
    model is, look just so. Where the script reads like an evaluation that lacks `eval()` (TRN304),
    a call at that line after the first training step, with such a layer in training mode, confirms
    it.
    """
    if not run.disturbed:
        yield Abstain(f"no such call was seen; this answers {RULE} only")
        return
    for one in run.disturbed:
        if one.site is not None:
            facts = (measured("layers in training mode", ", ".join(one.layers), one.step),)
            yield Witness(RULE, Verdict.CONFIRMED, facts, (one.site,))
    yield Abstain(f"this answers {RULE} only")
