"""RUN110: steps that go uphill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured, median


@detector("RUN110", Severity.ERROR, needs=("steps",))
def gradient_ascent(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer moves along the gradient, not against it: it makes the loss larger.

    A rate that a hand-made schedule has carried below 0, or an update rule with the wrong sign.

    Found where at least three steps, none of them told to maximize, are taken with a learning rate
    below 0. Found as well where the median cosine between gradient and movement is above 0.1 and
    nine in ten of at least three are above 0, for the only optimizer of a run. What weight decay
    does is taken out of the movement first. Momentum can carry a step uphill, but not all of them.
    A loss that is negated, or gradients that a layer reverses, descend as they should.
    """
    for info in run.optimizers.values():
        moves = [one for one in run.movements if one.optimizer == info.id]
        cosines = [one.cosine for one in moves if one.cosine is not None]
        negative = [one for one in run.steps_of(info.id) if any(rate < 0 for rate in one.lrs)]
        maximizes = bool(moves) and not cosines
        if len(negative) >= limits.ascent_samples and not maximizes:
            yield _below_zero(info, negative)
        elif len(cosines) < limits.ascent_samples:
            yield Abstain(f"needs {limits.ascent_samples} steps that are looked at closely, saw "
                          f"{len(cosines)}")  # fmt: skip
        elif _is_uphill(cosines, limits):
            if len(run.optimizers) > 1:
                yield Abstain(f"`{info.name}` may play against another optimizer")
            else:
                yield _uphill(run, info, cosines)


def _is_uphill(cosines: Sequence[float], limits: Thresholds) -> bool:
    middle = median(cosines) or 0.0
    share = sum(cosine > 0 for cosine in cosines) / len(cosines)
    return middle > limits.ascent_cosine and share >= limits.ascent_share


def _below_zero(info: OptimizerInfo, negative: Sequence[Step]) -> Found:
    first = negative[0]
    return Found(
        first.site,
        f"`{info.name}` steps with a learning rate below 0 ({count(len(negative), 'step')}, from "
        f"step {first.step} on): it makes the loss larger",
        hint="let the schedule end at 0: max(0, ...)",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("learning rate", min(first.lrs), first.step),
            measured("learning rate", min(negative[-1].lrs), negative[-1].step),
        ),
    )


def _uphill(run: Run, info: OptimizerInfo, cosines: Sequence[float]) -> Found:
    steps = run.steps_of(info.id)
    return Found(
        steps[0].site if steps else info.site,
        f"`{info.name}` moves along the gradient and not against it: it makes the loss larger",
        hint="turn the sign of the update, or of the loss if it is to be maximized",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("median cosine between gradient and movement", median(cosines)),
            measured("steps that were looked at", len(cosines)),
        ),
    )
