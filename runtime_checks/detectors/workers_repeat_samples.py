"""RUN605: several workers give the same samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.finding import Evidence, Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.loaders import site_of
from trainlint.runtime_checks.record import BatchOrder, LoaderInfo, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULE = "TRN604"
COPIED = "TRN612"


@detector("RUN605", Severity.ERROR, confirms=(RULE,), needs=("batch_orders",))
def workers_repeat_samples(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Each worker of a loader gives the samples that the others give too.

    Every worker has a copy of the data set. A stream that does not ask `get_worker_info()` which
    part is its own gives all of it in each: an epoch is several times as long, and most of it
    repeats. A random generator that the data set holds is copied likewise.

    Judged by hashes of the samples, in the first pass of a loader with two workers or more. Found
    where the batches come in groups, one of each worker, that are the same to the last sample, in
    at least two groups that are not the same as each other; or where a whole pass over a stream
    gave each of at least eight samples as often as there are workers, or a multiple of that. One
    sample that comes again here and there is none.
    """
    judged = False
    for info in run.loaders.values():
        first = _first_pass(run, info)
        if first is None:
            continue
        judged = True
        yield from _judge(run, info, first, limits)
    if not judged:
        yield Abstain("no loader with several workers was used")


def _judge(run: Run, info: LoaderInfo, first: BatchOrder, limits: Thresholds) -> Iterator[Result]:
    grouped = first.least > 1 and _in_groups(first.batches, info.workers, limits)
    site, facts = site_of(run, info.id), _facts(first, info)
    if grouped or (info.iterable and _is_multiple(first, info.workers, limits)):
        yield _found(site, info, facts)
    elif site is not None and first.taken > 2 * info.workers:
        yield Witness(RULE, Verdict.NOT_REPRODUCED, facts, (site,))
    if grouped and not info.iterable:
        yield Witness(COPIED, Verdict.CONFIRMED, facts)


def _first_pass(run: Run, info: LoaderInfo) -> BatchOrder | None:
    """The last word on the first pass of a loader with several workers."""
    orders = [one for one in run.batch_orders if one.loader == info.id and info.workers > 1]
    first = [one for one in orders if one.number == orders[0].number]
    return first[-1] if first else None


def _in_groups(batches: Sequence[int], workers: int, limits: Thresholds) -> bool:
    """Whether each round of the workers gave one batch over and over, and another each round."""
    rounds = [batches[at : at + workers] for at in range(0, len(batches), workers)]
    rounds = [one for one in rounds if len(one) == workers]
    same = len(rounds) >= limits.worker_rounds and all(len(set(one)) == 1 for one in rounds)
    return same and len({one[0] for one in rounds}) == len(rounds)


def _is_multiple(order: BatchOrder, workers: int, limits: Thresholds) -> bool:
    """Whether a whole pass gave every sample once from each worker, in whatever order."""
    enough = order.ended and order.distinct >= limits.worker_samples
    return enough and order.rows == workers * order.distinct


def _facts(order: BatchOrder, info: LoaderInfo) -> tuple[Evidence, ...]:
    return (
        measured("workers", info.workers),
        measured("samples looked at", order.rows, order.step),
        measured("different ones among them", order.distinct, order.step),
    )


def _found(site: Site | None, info: LoaderInfo, facts: tuple[Evidence, ...]) -> Found:
    times = f"{info.workers} times" if info.workers > 2 else "twice"
    hint = (
        "ask torch.utils.data.get_worker_info() in __iter__, and give only that worker's part"
        if info.iterable
        else "make the random generator of the data set in the worker, by worker_init_fn"
    )
    return Found(
        site,
        f"the {info.workers} workers give the same samples: each comes {times}",
        hint=hint,
        evidence=facts,
    )
