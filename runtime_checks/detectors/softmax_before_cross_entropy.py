"""RUN401: a cross-entropy is given probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.loss_calls import Line, is_probabilities, judge_lines, lines_of
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULES = ("TRN401",)


@detector("RUN401", Severity.WARNING, confirms=(*RULES, "TRN402"), needs=("loss_calls",))
def softmax_before_cross_entropy(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A cross-entropy, which takes logits, is given probabilities.

    `cross_entropy` applies log-softmax itself. Probabilities are squeezed once more: the loss of
    ten classes can fall no lower than 1.46, that of two no lower than 0.31, and the gradients are
    small. The model learns something all the same, which is why nobody notices.

    Judged by the numbers, whoever computed them: all lie between 0 and 1, and those of each row sum
    up to 1 (to within 0.01 where a softmax made them, to 0.0001 otherwise), in at least three calls
    of a line and in nine of ten that were looked at. Only calls that are trained on count. A loss
    over one class only, and one whose *targets* are probabilities, are left alone. A log-softmax
    in this place changes nothing, and is no mistake.
    """
    test = partial(is_probabilities, limits=limits)
    tell = partial(_tell, limits=limits)
    yield from judge_lines(run, limits, {"cross_entropy"}, test, tell, RULES)
    for line in lines_of(run, {"cross_entropy"}):
        made = {call.maker for call in line.calls}
        if line.site is not None:
            same = made == {"LogSoftmax"}
            facts = (measured("operation that makes the input", ", ".join(sorted(made)) or "none"),)
            verdict = Verdict.CONFIRMED if same else Verdict.NOT_REPRODUCED
            yield Witness("TRN402", verdict, facts, (line.site,))


def _tell(line: Line, limits: Thresholds) -> Found:
    return Found(
        line.site,
        "`cross_entropy` is given probabilities: its input lies between 0 and 1, and each row sums "
        "up to 1; it takes logits, and applies softmax itself",
        hint="give it the output of the last layer, without the softmax; where probabilities are "
        "wanted for something else, compute them apart",
        evidence=line.facts(partial(is_probabilities, limits=limits)),
    )
