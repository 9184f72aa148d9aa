"""RUN405: a column is compared with a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.loss_calls import Line, lines_of
from trainlint.runtime_checks.record import Broadcast, LossCall
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULE = "TRN414"
_FUNCTIONS = frozenset(
    """
    mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss gaussian_nll_loss
    hinge_embedding_loss soft_margin_loss
    """.split()
)


@detector("RUN405", Severity.ERROR, confirms=(RULE,), needs=("steps",))
def loss_broadcasts(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A loss compares each prediction with the targets of all samples.

    A column of shape (N, 1) against a row of shape (N,) is broadcast to (N, N): the best that the
    model can do is to say the mean of the targets for every sample. The loss falls to their
    variance, and no further.

    Found where a loss function gets as many predictions as targets, of more than one sample, and
    their shapes differ by axes of length 1, one more or one less of them, so that they grow when
    they meet. Two tensors of as many axes, as for all pairs, are meant so, and so is a single
    number as the target. Found as well for a loss computed by hand, where the difference of what
    the model gave, a column or a row, and of something that is not trained is such a square.
    """
    for line in lines_of(run, _FUNCTIONS):
        wrong = [call for call in line.calls if _grows(call.input_shape, call.target_shape)]
        if wrong:
            yield _found(line, wrong[-1])
        elif line.site is not None:
            shapes = f"{tuple(line.calls[-1].input_shape)}, {tuple(line.calls[-1].target_shape)}"
            facts = (measured("shapes of input and target", shapes, line.calls[-1].step),)
            yield Witness(RULE, Verdict.NOT_REPRODUCED, facts, (line.site,))
    for one in run.broadcasts:
        yield _by_hand(one)


def _grows(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether shapes that are the same but for an axis of length 1 are broadcast to more."""
    if abs(len(first) - len(second)) != 1:
        return False
    longer, shorter = sorted((list(first), list(second)), key=len, reverse=True)
    if [size for size in longer if size != 1] != [size for size in shorter if size != 1]:
        return False
    return longer != [1, *shorter] and any(size > 1 for size in shorter)


def _found(line: Line, call: LossCall) -> Found:
    given, target = tuple(call.input_shape), tuple(call.target_shape)
    return Found(
        line.site,
        f"`{line.function}` compares predictions of shape {given} with targets of shape {target}: "
        "each prediction is compared with the targets of all samples",
        hint="give both the same shape: squeeze(1) the predictions, or unsqueeze(1) the targets",
        evidence=(
            measured("shape of the input", str(given), call.step),
            measured("shape of the target", str(target), call.step),
        ),
    )


def _by_hand(one: Broadcast) -> Found:
    given, result = tuple(one.shape), tuple(one.result)
    return Found(
        one.site,
        f"the loss of this backward is computed from a difference of shape {result}, of predictions"
        f" of shape {given}: each prediction is compared with the targets of all samples",
        hint="give predictions and targets the same shape before they are subtracted",
        evidence=(
            measured("shape of the predictions", str(given), one.step),
            measured("shape of the difference", str(result), one.step),
        ),
    )
