"""RUN202: clipping that cuts every gradient to a small part."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.clipping import bit, by_line
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured, median, show


@detector("RUN202", Severity.INFO, needs=("clips",))
def clipping_always_on(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Gradients are cut to less than a tenth of their norm, at nearly every step.

    Clipping is meant for the odd spike. Where it always bites, each step has the same length, and
    the limit does what the learning rate is for. That may be meant, as in private training or
    with language models: hence this is a note.

    Found where a line clips by norm, at least 20 times, and more than 90 % of the calls leave less
    than a tenth.
    """
    for site, clips in by_line(run).items():
        mine = [clip for clip in clips if clip.how == "norm" and not clip.scaled]
        if len(mine) < limits.clip_always_calls:
            yield Abstain(f"needs {limits.clip_always_calls} calls by norm, saw {len(mine)}")
            continue
        left = [clip.limit / clip.norm for clip in mine if clip.norm and bit(clip, run)]
        strong = [part for part in left if part < limits.clip_strong]
        if len(strong) > limits.clip_always * len(mine):
            yield Found(
                site,
                f"clipping leaves {median(left) or 0.0:.1%} of the norm in the median, in "
                f"{len(strong)} of {count(len(mine), 'call')}: the limit sets the step size, and "
                "not the gradient",
                hint="raise the limit to about the usual norm, or lower the learning rate",
                evidence=(
                    measured("median norm before clipping", median(clip.norm for clip in mine)),
                    measured("limit", show(mine[0].limit)),
                ),
            )
