"""RUN112: steps that throw the weights about."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import got_somewhere
from trainlint.runtime_checks.record import Movement, OptimizerInfo
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, median, show


@detector("RUN112", Severity.WARNING, needs=("steps",))
def updates_too_large(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Each step changes the weights by a third of their size or more, and nothing is learnt.

    Measured as |dw| / |w| of the layer that moves most, among tensors of two dimensions and up
    that did not begin at 0 (1e-3 is usual). Found where the median over at least eight steps is
    above 0.3, and that of the last half of them as well, and where the last losses are not below
    0.9 of the first. A small model may take such steps in its beginning, and get somewhere; that
    is left alone, and so is one of several optimizers, which may play against each other.
    """
    for info in run.optimizers.values():
        moves = [one for one in run.movements if one.optimizer == info.id and one.largest]
        late = moves[len(moves) // 2 :]
        middle, then = (median(one.largest for one in part) for part in (moves, late))
        if len(moves) < limits.update_samples or middle is None or then is None:
            yield Abstain(
                f"needs {limits.update_samples} steps that are looked at closely, saw {len(moves)}"
            )
        elif min(middle, then) <= limits.update_large:
            continue
        elif len(run.optimizers) > 1 or got_somewhere(run, info, limits) is not False:
            yield Abstain("updates are large, and the loss fell, is not known, or is not the only")
        else:
            yield _found(run, info, moves, middle)


def _found(run: Run, info: OptimizerInfo, moves: list[Movement], middle: float) -> Found:
    steps = run.steps_of(info.id)
    last = moves[-1]
    return Found(
        steps[0].site if steps else info.site,
        f"each step of `{info.name}` changes `{last.layer}` by {show(middle)} of its size, with a "
        f"learning rate of {show(last.rate)}, and the loss does not fall",
        hint="lower the learning rate by powers of ten; updates of about 1e-3 are usual",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("median of the largest |dw| / |w|", middle),
            measured("median |dw| / |w| over layers", last.middle, last.step),
            measured("learning rate", last.rate, last.step),
        ),
    )
