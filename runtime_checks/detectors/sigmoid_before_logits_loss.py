"""RUN402: a loss that takes logits is given the output of a sigmoid."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Found, Result, Thresholds, detector
from trainlint.runtime_checks.loss_calls import LOGITS, Line, judge_lines
from trainlint.runtime_checks.record import LossCall
from trainlint.runtime_checks.run import Run

RULES = ("TRN405",)


@detector("RUN402", Severity.WARNING, confirms=RULES, needs=("loss_calls",))
def sigmoid_before_logits_loss(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A loss that takes logits is given the output of a sigmoid.

    `binary_cross_entropy_with_logits` applies the sigmoid itself. Applied twice, it says something
    between 0.5 and 0.73: no sample can be called negative, and the loss of a negative one can fall
    no lower than 0.69. A cross-entropy over sigmoids is as badly off as one over a softmax.

    Found where the last operation that made the input is a sigmoid (or, before a binary loss, a
    softmax), views and copies of it left out, in at least three calls of a line and in nine of ten
    that were looked at. A sigmoid that is scaled or shifted afterwards is left alone.
    """
    yield from judge_lines(run, limits, LOGITS, _is_squashed, _tell, RULES)


def _is_squashed(call: LossCall) -> bool:
    binary = call.function != "cross_entropy"
    return call.maker == "Sigmoid" or (binary and call.maker == "Softmax")


def _tell(line: Line) -> Found:
    made = "sigmoid" if line.calls[-1].maker == "Sigmoid" else "softmax"
    own = "softmax" if line.function == "cross_entropy" else "the sigmoid"
    return Found(
        line.site,
        f"`{line.function}` is given the output of a {made}: it takes logits, and applies {own} "
        "itself",
        hint=f"give it the output of the last layer, without the {made}",
        evidence=line.facts(_is_squashed),
    )
