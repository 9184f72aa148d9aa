"""RUN203: clipping by a limit that is off by the scaler's factor."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.clipping import limits_anything, misplaced
from trainlint.runtime_checks.detection import Result, Thresholds, detector
from trainlint.runtime_checks.record import Clip
from trainlint.runtime_checks.run import Run


@detector("RUN203", Severity.WARNING, confirms=("TRN204",), needs=("clips",))
def clipping_scaled_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Gradients are clipped while they carry the factor of a GradScaler.

    The factor begins at 65536: a limit of 1 cuts the true gradient to 1/65536 and the training
    stands nearly still. `scaler.unscale_(optimizer)` takes the factor out first.

    Found where at least half of the calls of a line, and at least three, met gradients that still
    carried it. An infinite limit only measures.
    """
    yield from misplaced(
        run,
        limits,
        _scaled,
        "clipping meets gradients that still carry the GradScaler's factor",
        "call scaler.unscale_(optimizer) before clipping",
    )


def _scaled(clip: Clip, run: Run) -> bool:
    return clip.scaled and clip.tensors > 0 and limits_anything(clip)
