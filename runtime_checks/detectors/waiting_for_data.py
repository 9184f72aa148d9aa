"""RUN903: training waits for its data."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN903", Severity.WARNING, needs=("steps",))
def waiting_for_data(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A good part of each training step is spent waiting for the next batch.

    The model, and the GPU that it runs on, idle meanwhile.

    Found where the median batch of a training pass takes more than 30 ms to come, and more than a
    fifth of the time from one to the next; the first batches of each pass, in which workers start,
    are left out. Small data in memory never take that long, and neither does a worker's queue on
    a busy machine, where the step itself is shorter still.

    Source: the rule of TensorBoard's profiler and of Lightning's, that the data loader is a
    bottleneck beyond such a share.
    """
    if not run.waiting:
        yield Abstain("fewer than 16 batches of a loader were measured")
        return
    for one in {one.loader: one for one in run.waiting}.values():
        share = one.wait / one.period if one.period else 0.0
        if one.wait < limits.waiting_seconds or share < limits.waiting_share:
            continue
        workers = f"with {count(one.workers, 'worker')}" if one.workers else "without workers"
        yield Found(
            one.site,
            f"{share:.0%} of each step is spent waiting for data: {1000 * one.wait:.0f} of "
            f"{1000 * one.period:.0f} ms, {workers}",
            hint="raise num_workers of the DataLoader, with persistent_workers=True, or do less "
            "for each sample",
            evidence=(
                measured("seconds to the next batch", one.wait, one.step),
                measured("seconds from batch to batch", one.period, one.step),
            ),
        )
