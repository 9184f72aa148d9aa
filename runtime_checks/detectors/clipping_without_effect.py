"""RUN201: clipping that meets no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.clipping import misplaced
from trainlint.runtime_checks.detection import Result, Thresholds, detector
from trainlint.runtime_checks.record import Clip
from trainlint.runtime_checks.run import Run

RULES = ("TRN203", "TRN205", "TRN208")


@detector("RUN201", Severity.WARNING, confirms=RULES, needs=("clips",))
def clipping_without_effect(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Clipping is called where there is no gradient to clip.

    None of the tensors that are handed to it has one: it comes before `backward()`, or its
    parameters are those of another model than the one that is trained. Two other places are
    wrong, and have detectors of their own: after `step()` (RUN205), and before a GradScaler has
    taken its factor out (RUN203).

    Found where at least half of the calls of a line, and at least three, are so. How often clipping
    bit, and how strongly, is reported for every run.
    """
    yield from misplaced(
        run,
        limits,
        _met_nothing,
        "clipping meets no gradient: none of the tensors handed to it has one",
        "call it after backward(), with the parameters that the optimizer trains",
    )


def _met_nothing(clip: Clip, run: Run) -> bool:
    return clip.tensors == 0
