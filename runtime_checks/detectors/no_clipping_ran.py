"""RUN204: whether any clipping ran; it answers a static rule."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.clipping import clip_summary, limits_anything
from trainlint.runtime_checks.detection import Abstain, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

RULE = "TRN201"


@detector("RUN204", Severity.INFO, confirms=(RULE,))
def no_clipping_ran(run: Run, limits: Thresholds) -> Iterator[Result]:
    """No gradient was clipped in any step; it only answers the rule TRN201.

    Most scripts need no clipping, so this is never a finding. Where a script claims that it clips
    (TRN201), a run without one clipping call in all its steps confirms that it does not, and a
    run with one speaks against the static finding. A call with an infinite limit measures and
    does not clip. Clipping by other means, such as a hook on each parameter, makes the norm that
    the optimizer consumes smaller than the one that backward left: nothing is said then.
    """
    if not run.steps:
        yield Witness(RULE, Verdict.NOT_REACHED)
        yield Abstain("no optimizer step was seen")
        return
    taken = [step for step in run.steps if not step.skipped]
    calls = [clip for clip in run.clips if limits_anything(clip) and clip.tensors]
    if calls:
        last = calls[-1]
        facts = (
            measured("clipping calls", len(calls)),
            measured("clipping limit", last.limit),
            measured("steps with a clipping that bit", clip_summary(run).bites),
        )
        yield Witness(RULE, Verdict.NOT_REPRODUCED, facts)
        return
    yield Abstain(f"no clipping in {count(len(taken), 'step')}; this answers {RULE} only")
    if taken and all(step.norm == step.norm_after for step in taken):
        none = (measured("clipping calls", 0), measured("optimizer steps", len(taken)))
        yield Witness(RULE, Verdict.CONFIRMED, none)
