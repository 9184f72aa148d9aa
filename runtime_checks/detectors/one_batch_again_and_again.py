"""RUN607: the training sees one batch only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.loaders import passes_by_source, site_of
from trainlint.runtime_checks.record import BatchOrder, LoaderInfo
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN607", Severity.ERROR, needs=("batch_orders",))
def one_batch_again_and_again(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The training takes the first batch of its loader, again and again.

    `next(iter(loader))` begins a new pass each time. Without shuffling its first batch is always
    the same one, and the model learns that by heart: the loss falls beautifully.

    Found where at least ten passes over data of more than one batch gave one batch each, all of the
    same samples in the same order, and were trained on. One batch that is taken once and trained on
    for long is a test that people do on purpose, and is left alone, and so is a data set that makes
    one batch, or whose first batch holds one number only.
    """
    judged = False
    for passes in passes_by_source(run).values():
        trained = [one for one in passes if one.trained and one.batches]
        info = run.loaders.get(trained[0].loader) if trained else None
        if info is None or len(trained) < limits.repeated_batches:
            continue
        judged = True
        if _is_repeated(info, trained):
            yield _found(run, info, trained)
    if not judged:
        yield Abstain(f"needs {count(limits.repeated_batches, 'pass')} over the training data")


def _is_repeated(info: LoaderInfo, passes: Sequence[BatchOrder]) -> bool:
    if info.length is not None and info.length < 2:
        return False
    if any(one.taken != 1 or one.constant for one in passes):
        return False
    # A batch taken now and then, to look at, trains nothing.
    often = sum(after.step - before.step <= 1 for before, after in pairwise(passes))
    return len({one.batches[0] for one in passes}) == 1 and often >= 0.8 * (len(passes) - 1)


def _found(run: Run, info: LoaderInfo, passes: Sequence[BatchOrder]) -> Found:
    begun = next((one.site for one in run.passes if one.loader == info.id), None)
    length = f" of {info.length}" if info.length else ""
    return Found(
        begun,
        f"every step trains on the first batch{length}: each one begins a new pass over the "
        "loader, and takes one batch of it",
        hint="go through the loader with a for statement, or keep one iterator and ask that for "
        "the next batch",
        related=((site_of(run, info.id), "the loader was made here"),),
        evidence=(
            measured("passes of one batch", len(passes), passes[-1].step),
            measured("different batches", 1, passes[-1].step),
        ),
    )
