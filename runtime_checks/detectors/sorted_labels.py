"""RUN603: batches of one class after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.labels import Classification, classifications
from trainlint.runtime_checks.loaders import site_of
from trainlint.runtime_checks.record import LossCall
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

_LEAST = 4  # labels of a batch
_NEAR = 5  # batches that were looked at with the one before them


@detector("RUN603", Severity.WARNING, confirms=("TRN601",), needs=("loss_calls",))
def sorted_labels(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The batches hold one class nearly alone, and then another: the data is sorted by label.

    Each stretch of steps teaches the model to say one class, whatever it sees, and the next stretch
    another one. Batch norms see one class at a time. The accuracy jumps about, or ends where the
    last class is.

    Judged by the labels that the loss was given, at the steps looked at (ten at the least, of four
    labels or more): found where the batches hold nine tenths of one class on average, in stretches
    of several batches, while no class has more than 70 % of all labels. Classes that take turns
    from batch to batch are none: that is how a discriminator is given real and false ones. The
    labels must come from a loader that does not shuffle.
    """
    judged = False
    for one in classifications(run):
        calls = [call for call in one.calls if sum(call.labels or ()) >= _LEAST]
        if len(calls) < limits.sorted_batches:
            continue
        judged = True
        if _in_stretches(one, calls, limits) and not _is_shuffled(run, calls):
            yield _found(run, one, calls)
    if not judged:
        yield Abstain(f"needs {count(limits.sorted_batches, 'batch')} with their labels")


def _in_stretches(one: Classification, calls: Sequence[LossCall], limits: Thresholds) -> bool:
    labels = one.labels
    if max(labels) > limits.sorted_share * sum(labels):
        return False
    if _purity(calls) < limits.sorted_purity:
        return False
    near = [pair for pair in pairwise(calls) if pair[1].step == pair[0].step + 1]
    changes = sum(_commonest(before) != _commonest(after) for before, after in near)
    return len(near) >= _NEAR and changes <= limits.sorted_changes * len(near)


def _purity(calls: Sequence[LossCall]) -> float:
    """The mean share of the commonest class of a batch."""
    return sum(max(call.labels or [0]) / sum(call.labels or [1]) for call in calls) / len(calls)


def _commonest(call: LossCall) -> int:
    labels = call.labels or [0]
    return labels.index(max(labels))


def _is_shuffled(run: Run, calls: Sequence[LossCall]) -> bool:
    """Whether they come from no loader, or from one that shuffles."""
    infos = [run.loaders.get(call.loader) for call in calls if call.loader is not None]
    return not infos or any(info is not None and info.shuffles for info in infos)


def _found(run: Run, one: Classification, calls: Sequence[LossCall]) -> Found:
    loader = next((call.loader for call in calls if call.loader is not None), None)
    share = 100 * _purity(calls)
    return Found(
        site_of(run, loader) or one.site,
        f"the data is sorted by label: a batch holds {share:.0f} % of one class on average, while "
        f"{sum(n > 0 for n in one.labels)} classes were seen",
        hint="give the loader shuffle=True",
        related=((one.site, "the labels are given to the loss here"),),
        evidence=(
            measured("batches looked at", len(calls), calls[-1].step),
            measured("share of the commonest class in a batch", share / 100, calls[-1].step),
            measured("share of the commonest class in all", max(one.labels) / sum(one.labels)),
        ),
    )
