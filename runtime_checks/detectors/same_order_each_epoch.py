"""RUN604: every epoch goes through the data in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.loaders import passes_by_source, site_of
from trainlint.runtime_checks.record import BatchOrder, LoaderInfo
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

RULES = ("TRN601", "TRN603")


@detector("RUN604", Severity.WARNING, confirms=RULES, needs=("batch_orders",))
def same_order_each_epoch(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A loader that is told to shuffle gives the same batches in the same order, epoch for epoch.

    A DistributedSampler shuffles by its seed and its epoch, and without `set_epoch` that stays 0. A
    sampler whose generator is made anew for each epoch, or a seed that is set at its beginning,
    does the same: batches never mix, and the gradients follow their order.

    Judged by hashes of the samples, in their order: found where the first batches of all passes
    that trained, two at the least, are the same, of at least eight samples in at least two batches.
    A loader that does not shuffle is not found, since order may matter, as in a series over time;
    where its place is one of which TRN601 speaks, that is confirmed. A stream is left alone.
    """
    judged = False
    for passes in passes_by_source(run).values():
        trained = [one for one in passes if one.trained and len(one.batches) > 1]
        info = run.loaders.get(trained[0].loader) if trained else None
        if len(trained) < 2 or info is None or info.iterable:
            continue
        judged = True
        yield from _judge(run, info, trained, limits)
    if not judged:
        yield Abstain("needs two passes over the training data, of two batches each")


def _judge(
    run: Run, info: LoaderInfo, passes: Sequence[BatchOrder], limits: Thresholds
) -> Iterator[Result]:
    site = site_of(run, info.id)
    same = all(_is_same(first, second, limits) for first, second in pairwise(passes))
    facts = (
        measured("passes compared", len(passes), passes[-1].step),
        measured("in the same order", "yes" if same else "no"),
    )
    verdict = Verdict.CONFIRMED if same else Verdict.NOT_REPRODUCED
    if same and info.shuffles:
        yield Found(
            site,
            f"the loader shuffles (`{info.sampler}`), and {count(len(passes), 'epoch')} went "
            "through the data in the same order",
            hint=_hint(info),
            evidence=facts,
        )
    elif site is not None:
        yield Witness("TRN601", verdict, facts, (site,))
    if info.sampler == "DistributedSampler":
        yield Witness("TRN603", verdict, facts)


def _is_same(first: BatchOrder, second: BatchOrder, limits: Thresholds) -> bool:
    common = min(len(first.batches), len(second.batches))
    enough = min(first.distinct, second.distinct) >= limits.order_samples
    return enough and first.batches[:common] == second.batches[:common]


def _hint(info: LoaderInfo) -> str:
    if info.sampler == "DistributedSampler":
        return "call sampler.set_epoch(epoch) at the beginning of each epoch"
    return "seed once, before the first epoch, and keep one generator for all of them"
