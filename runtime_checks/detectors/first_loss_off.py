"""RUN406: the first loss is not that of a model that knows nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.labels import classifications, entropy
from trainlint.runtime_checks.record import LossCall
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

_CAUSES = ("RUN401", "RUN402", "RUN403", "RUN404", "RUN601", "RUN608")
_LEAST = 16


@detector("RUN406", Severity.INFO, default=True, needs=("loss_calls",), explained_by=_CAUSES)
def first_loss_off(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A cross-entropy begins far above, or far below, that of a model that knows nothing.

    With C classes, a fresh model's first loss is about ln C. Twice that means that it is sure of
    wrong answers before it has seen one: its last layer, or its input, is too large, and the first
    steps go into undoing it. Half of that means that it knows the answers already: the label is
    in the input, or the weights are not fresh.

    Judged by the first call that is trained on, before any step, of 16 labels or more, where all
    samples weigh the same. A low loss of a model that knows the shares of the classes is none. A
    model that was loaded may begin low: this is a note.
    """
    judged = False
    for one in classifications(run):
        first = one.calls[0]
        labels = first.labels or []
        logs = one.function == "cross_entropy" and first.plain and first.step == 0
        if not logs or first.loss is None or sum(labels) < _LEAST:
            continue
        judged = True
        line = math.log(len(labels))
        high = first.loss > limits.first_loss_high * line
        low = first.loss < min(limits.first_loss_low * line, 0.9 * entropy(labels))
        if high or low:
            yield _found(first, first.loss, line)
    if not judged:
        yield Abstain("no cross-entropy with known classes was computed before the first step")


def _found(call: LossCall, loss: float, line: float) -> Found:
    above = loss > line
    classes = len(call.labels or ())
    return Found(
        call.site,
        f"the first loss is {loss:.3g}, {'above' if above else 'below'} the {line:.3g} of a model "
        f"that knows nothing of its {classes} classes",
        hint="scale the inputs, or begin the last layer with smaller weights"
        if above
        else "look whether the label is part of the input",
        evidence=(
            measured("first loss", loss, call.step),
            measured("logarithm of the number of classes", line),
        ),
    )
