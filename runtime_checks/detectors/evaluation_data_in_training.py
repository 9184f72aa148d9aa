"""RUN606: a model is evaluated on samples that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.finding import Evidence, Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.loaders import site_of
from trainlint.runtime_checks.record import Overlap, SharedIndices
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULE = "TRN605"
# More data sets than these, all trained on: folds, or data that grows.
_MOST_LOADERS = 3


@dataclass(frozen=True)
class _Evaluation:
    """One loader that a model is evaluated with, and how much of it was trained on."""

    loader: int
    training: int | None  # the loader that it shares with
    share: float
    whole: bool  # all of it, as far as can be told
    facts: tuple[Evidence, ...]


@detector("RUN606", Severity.WARNING, confirms=(RULE,), needs=("loaders",))
def evaluation_data_in_training(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Samples on which a model is evaluated are among those that it was trained on.

    The evaluation then tells how much was learned by heart. It happens where a split is drawn
    twice, where copies of samples are made before the split, or where the training goes on over the
    whole data set after a part of it was set aside.

    Two loaders over parts of one data set are compared by their indices, exactly, whatever the
    transforms do. Others are compared by hashes of the samples, and found where at least 5 % of
    those looked at in the evaluation (32 at the least) were met in training, and three times as
    many as would be met by chance: where samples are made of few different numbers, and come again
    within one pass over the training data, equal ones tell nothing. Only what the same model was
    trained on counts, so that folds do not.

    A model that is evaluated on its training data as such, all of it, by the same loader or over
    the same data set, is left alone: that is how its training error is measured. So is a part of
    it where another evaluation is free of it.
    """
    evaluations = [*_by_indices(run), *_by_hashes(run, limits)]
    if not evaluations:
        yield Abstain("no model was seen to be evaluated on data of its own, without a graph")
        return
    clean = any(one.share < limits.leak_clean for one in evaluations)
    leaks = [one for one in evaluations if one.share >= limits.leak_clean and one.facts]
    for one in leaks:
        if not one.whole or not clean:
            yield _found(run, one)
            yield Witness(RULE, Verdict.CONFIRMED, one.facts)
            return
    if not leaks:
        yield Witness(RULE, Verdict.NOT_REPRODUCED, evaluations[0].facts)


def _by_indices(run: Run) -> Iterator[_Evaluation]:
    for loader in dict.fromkeys(one.loader for one in run.shared_indices):
        pairs = [one for one in run.shared_indices if one.loader == loader]
        if len(pairs) > _MOST_LOADERS:
            continue
        worst = max(pairs, key=lambda one: one.shared)
        if not _is_the_same(run, worst):
            whole = worst.shared == worst.evaluated
            share = worst.shared / max(worst.evaluated, 1)
            yield _Evaluation(loader, worst.training, share, whole, _index_facts(worst))


def _is_the_same(run: Run, pair: SharedIndices) -> bool:
    """Whether the training data as such is evaluated."""
    first, second = run.loaders.get(pair.training), run.loaders.get(pair.loader)
    same = first is not None and second is not None and first.source == second.source
    return same or pair.shared == pair.trained == pair.evaluated


def _by_hashes(run: Run, limits: Thresholds) -> Iterator[_Evaluation]:
    compared = {one.loader for one in run.shared_indices}
    last = {(one.model, one.source): one for one in run.overlaps}
    trained = {order.source for order in run.batch_orders if order.trained}
    for one in last.values():
        if one.loader in compared or one.source in trained or one.evaluated < limits.leak_samples:
            continue
        share = one.met / one.evaluated
        if share < limits.leak_clean:
            yield _Evaluation(one.loader, None, share, False, _hash_facts(one))
        elif share >= max(limits.leak_share, limits.leak_chance * one.chance):
            yield _Evaluation(one.loader, None, share, share > 0.9, _hash_facts(one))


def _index_facts(one: SharedIndices) -> tuple[Evidence, ...]:
    return (
        measured("samples evaluated", one.evaluated, one.step),
        measured("of these, trained on", one.shared, one.step),
    )


def _hash_facts(one: Overlap) -> tuple[Evidence, ...]:
    return (
        measured("samples of the evaluation looked at", one.evaluated, one.step),
        measured("of these, met in training", one.met, one.step),
        measured("samples of the training looked at", one.trained, one.step),
    )


def _found(run: Run, one: _Evaluation) -> Found:
    other = site_of(run, one.training)
    what = "all of them" if one.whole else f"{100 * one.share:.0f} % of them"
    seen = "" if one.training is not None else ", of those looked at"
    return Found(
        site_of(run, one.loader),
        f"the model is evaluated on samples that it was trained on: {what}{seen}",
        hint="split the data once, before anything is copied or augmented, and train on one part "
        "only",
        related=((other, "the training loader was made here"),) if other else (),
        evidence=one.facts,
    )
