"""RUN404: a ReLU keeps the output from where the loss wants it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Found, Result, Thresholds, detector
from trainlint.runtime_checks.loss_calls import LAYERS, LOGITS, Line, judge_lines
from trainlint.runtime_checks.record import LossCall
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULES = ("TRN413",)
_REGRESSIONS = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})


@detector("RUN404", Severity.WARNING, confirms=RULES, needs=("loss_calls",))
def relu_before_the_loss(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A ReLU is the last thing done to an output that must be free to be negative.

    Behind it, no class can be ruled out, and an output that is 0 gets no gradient at all. Of a
    regression, targets below 0 are out of reach.

    Found where the last operation that made the input of a loss that takes logits is a ReLU right
    after a layer (one of distances or similarities is something else), or that of a regression
    while at least a tenth of the targets is below 0; in at least three calls of a line and in nine
    of ten that were looked at. A regression whose targets are not negative may well end in a ReLU.
    """
    test = partial(_is_cut, limits=limits)
    yield from judge_lines(run, limits, LOGITS | _REGRESSIONS, test, _tell, RULES)


def _is_cut(call: LossCall, limits: Thresholds) -> bool:
    if call.maker != "Relu" or call.low < 0:
        return False
    if call.function in _REGRESSIONS:
        return (call.negative or 0.0) >= limits.loss_negative_share
    return call.under in LAYERS


def _tell(line: Line) -> Found:
    last = line.calls[-1]
    facts = [measured("least value of the input", last.low, last.step)]
    if line.function in _REGRESSIONS:
        facts.append(measured("share of the targets below 0", last.negative, last.step))
        said = f"{100 * (last.negative or 0):.0f} % of its targets are below 0, where it cannot go"
    else:
        said = "logits must be free to be negative, or no class can be ruled out"
    return Found(
        line.site,
        f"`{line.function}` is given the output of a ReLU: {said}",
        hint="leave out the ReLU after the last layer",
        evidence=(measured("calls looked at", len(line.calls), last.step), *facts),
    )
