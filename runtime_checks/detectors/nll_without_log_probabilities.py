"""RUN403: a loss that takes log-probabilities is given something else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Found, Result, Thresholds, detector
from trainlint.runtime_checks.loss_calls import LAYERS, Line, is_probabilities, judge_lines
from trainlint.runtime_checks.record import LossCall
from trainlint.runtime_checks.run import Run

RULES = ("TRN403", "TRN404", "TRN407")
_SQUASHED = ("Softmax", "Sigmoid", "Relu")


@detector("RUN403", Severity.ERROR, confirms=RULES, needs=("loss_calls",))
def nll_without_log_probabilities(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A loss that takes log-probabilities is given logits or probabilities.

    `nll_loss` picks minus the number of the right class, and takes no logarithm. Of logits it can
    be lowered without end by raising all of them; of probabilities it lies between -1 and 0, with
    the smallest gradients where the model is most wrong. `kl_div` needs the logarithm as well.

    Log-probabilities are never above 0. Found where the input has numbers above 0, and either a
    layer made it (a linear one, a convolution, a norm), or a softmax, sigmoid or ReLU, or each row
    lies between 0 and 1 and sums up to 1; in at least three calls of a line and in nine of ten that
    were looked at. What the script scales by itself, as a policy gradient by its advantage, is left
    alone, and so are logarithms whose rows do not sum up to 1.
    """
    test = partial(_is_no_logarithm, limits=limits)
    tell = partial(_tell, limits=limits)
    yield from judge_lines(run, limits, {"nll_loss", "kl_div"}, test, tell, RULES)


def _is_no_logarithm(call: LossCall, limits: Thresholds) -> bool:
    if call.high <= limits.loss_rounding:
        return False
    if call.function == "nll_loss" and call.maker in LAYERS:
        return True
    return call.maker in _SQUASHED or is_probabilities(call, limits)


def _tell(line: Line, limits: Thresholds) -> Found:
    last = line.calls[-1]
    logits = last.maker in LAYERS
    what = "logits" if logits else "probabilities" if last.maker != "Relu" else "a ReLU's output"
    mended = "use cross_entropy" if line.function == "nll_loss" and logits else "use log_softmax"
    return Found(
        line.site,
        f"`{line.function}` is given {what}: it takes log-probabilities, which are never above 0, "
        f"and its input reaches {last.high:.3g}",
        hint=f"{mended}, which takes the logarithm in a stable way",
        evidence=line.facts(partial(_is_no_logarithm, limits=limits)),
    )
