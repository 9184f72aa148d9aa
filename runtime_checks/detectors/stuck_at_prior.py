"""RUN407: a classifier that knows the shares of the classes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.labels import Classification, classifications, entropy
from trainlint.runtime_checks.record import LossCall
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import finite, measured

# Whatever keeps weights from moving, or the output from telling, explains it.
_CAUSES = tuple(
    f"RUN{number}"
    for number in (
        *(101, 102, 103, 104, 105, 106, 107, 108, 110, 111, 112, 201, 303),
        *(401, 402, 403, 404, 408, 501, 601, 603, 607, 608, 801, 802),
    )
)
_EACH = 20  # labels of each class
_STAYS = 0.985
_NEAR = 1.3  # times the entropy: a loss far above it is another mistake


@detector("RUN407", Severity.WARNING, needs=("loss_calls",), explained_by=_CAUSES)
def stuck_at_prior(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A classifier does no better than one that knows how common each class is, and stays there.

    That loss is the entropy of the labels. A model that stays at it has learned nothing from its
    inputs: they do not belong to the labels (shuffled apart, or taken from another batch), or no
    longer say anything once they are through the first layers.

    Found where the cross-entropies of the last quarter of the calls looked at (forty at the least)
    are on average 97 % of the entropy of their labels or more, and no lower than those of the
    quarter before (to within 1.5 %), nor far above. Only for one loss, one model and one optimizer:
    two that work against each other settle there. Not while a learning rate is still being raised,
    for more than 100 classes, or fewer than 20 labels of each; and not where a cause is found.
    """
    known = [one for one in classifications(run) if one.function != "nll_loss" and one.is_plain]
    lines = {call.site for call in run.loss_calls}
    if len(run.optimizers) != 1 or len(run.models) != 1 or len(lines) != 1 or not known:
        yield Abstain("needs one model, one optimizer, and one loss of a classification")
        return
    one = known[0]
    if len(one.calls) < limits.prior_calls:
        yield Abstain(f"needs {limits.prior_calls} losses looked at, saw {len(one.calls)}")
    elif _is_warming_up(run) or sum(one.labels) < _EACH * len(one.labels):
        yield Abstain("the learning rate is still rising, or there were too few labels")
    elif _is_stuck(one, limits):
        yield _found(one)


def _is_warming_up(run: Run) -> bool:
    rates = [max(step.lrs, default=0.0) for step in run.steps]
    return rates[-1] > 1.5 * rates[len(rates) // 2]


def _is_stuck(one: Classification, limits: Thresholds) -> bool:
    quarter = len(one.calls) // 4
    before, last = one.calls[-2 * quarter : -quarter], one.calls[-quarter:]
    prior = entropy(one.labels)
    if prior < 0.1 or not _mean(before):
        return False
    stays = _mean(last) >= _STAYS * _mean(before)
    return stays and limits.prior_level * prior <= _mean(last) <= _NEAR * prior


def _mean(calls: Sequence[LossCall]) -> float:
    losses = finite(call.loss for call in calls)
    return sum(losses) / len(losses) if losses else 0.0


def _found(one: Classification) -> Found:
    late = one.calls[-(len(one.calls) // 4) :]
    loss, prior = _mean(late), entropy(one.labels)
    return Found(
        one.site,
        f"the loss stays at {loss:.3g}: one who knows how common each class is, and nothing of the "
        f"inputs, has {prior:.3g}",
        hint="look at a few inputs with their labels as the model gets them; then try whether it "
        "can learn one batch by heart",
        evidence=(
            measured("loss of the last quarter", loss, late[-1].step),
            measured("entropy of the labels", prior, late[-1].step),
            measured("losses looked at", len(one.calls), late[-1].step),
        ),
    )
