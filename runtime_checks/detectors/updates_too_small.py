"""RUN111: steps that change next to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import got_somewhere, is_rising
from trainlint.runtime_checks.record import Movement, OptimizerInfo
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, median, show


@detector("RUN111", Severity.WARNING, needs=("steps",))
def updates_too_small(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Each step changes the weights by less than a millionth of their size.

    A thousandth is usual; at a millionth, a training of a thousand times its length would be
    needed. Mostly the learning rate is some powers of ten too small.

    Measured as |dw| / |w| of the layer that moves most, among tensors of two dimensions and up
    that did not begin at 0; found where the median over at least eight steps is below 1e-6. Only
    steps count whose learning rate is at least half of the highest, so that the ends of a
    schedule do not. Silent while the rate is still rising, where all gradients are 0, and where the
    loss fell by a tenth all the same.
    """
    for info in run.optimizers.values():
        moves = [one for one in run.movements if one.optimizer == info.id]
        highest = max((one.rate for one in moves), default=0.0)
        moves = [one for one in moves if one.largest and one.rate >= highest / 2]
        middle = median(one.largest for one in moves)
        if len(moves) < limits.update_samples or middle is None:
            yield Abstain(
                f"needs {limits.update_samples} steps that are looked at closely, saw {len(moves)}"
            )
        elif middle >= limits.update_small:
            continue
        elif is_rising(run.steps_of(info.id)):
            yield Abstain("the learning rate is still rising")
        elif got_somewhere(run, info, limits) is not False:
            yield Abstain("updates are small, and the loss fell or is not known")
        else:
            yield _found(run, info, moves, middle)


def _found(run: Run, info: OptimizerInfo, moves: list[Movement], middle: float) -> Found:
    steps = run.steps_of(info.id)
    return Found(
        steps[0].site if steps else info.site,
        f"each step of `{info.name}` changes the weights by {show(middle)} of their size at most, "
        f"with a learning rate of {show(moves[-1].rate)}: nothing is learnt",
        hint="raise the learning rate by powers of ten; updates of about 1e-3 are usual",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("median of the largest |dw| / |w|", middle),
            measured("learning rate", moves[-1].rate, moves[-1].step),
            measured("steps that were looked at", len(moves)),
        ),
    )
