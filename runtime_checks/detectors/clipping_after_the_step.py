"""RUN205: clipping that comes too late."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.clipping import bit, consumers, limits_anything, misplaced
from trainlint.runtime_checks.detection import Result, Thresholds, detector
from trainlint.runtime_checks.record import Clip
from trainlint.runtime_checks.run import Run


@detector("RUN205", Severity.WARNING, confirms=("TRN202",), needs=("clips",))
def clipping_after_the_step(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Gradients are clipped after the step that used them.

    Judged by the order of events: the call met gradients that a step had already consumed, and no
    backward had added to them since. What is clipped there is cleared, and no step ever feels it.

    Found where at least half of the calls of a line, and at least three, are so. An infinite limit
    only measures the norm, and may do so after the step.
    """
    yield from misplaced(
        run,
        limits,
        _after_step,
        "clipping comes after step(): no optimizer ever uses what it clips",
        "move it between backward() and step()",
    )


def _after_step(clip: Clip, run: Run) -> bool:
    """It clipped gradients that had been stepped on and that no backward had added to since."""
    if not clip.tensors or not limits_anything(clip) or clip.step == 0:
        return False
    if clip.backwards is not None:
        return clip.backwards == 0
    # Where the record does not say it: the call bit, and nothing of that reached the next step.
    steps = consumers(clip, run)
    strong = clip.how == "norm" and bit(clip, run) and (clip.norm or 0.0) > 1.5 * clip.limit
    return bool(strong and steps) and all(
        step.norm is not None
        and step.norm == step.norm_after
        and (clip.norm or 0.0) > 0.5 * step.norm
        for step in steps
    )
