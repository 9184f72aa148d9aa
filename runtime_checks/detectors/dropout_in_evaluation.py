"""RUN304: dropout is at work in a model that is in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import DroppedOut
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

_HINTS = {
    "function": "hand over the mode: `F.dropout(x, p, training=self.training)`",
    "attention": "drop out in training only: `dropout_p=p if self.training else 0.0`",
    "layer": "make the Dropout in __init__, as an attribute, so that eval() reaches it",
}


@detector("RUN304", Severity.WARNING, confirms=("TRN306", "TRN307", "TRN308"))
def dropout_in_evaluation(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A model that was put into evaluation mode still drops out.

    Each of its predictions is disturbed at random, in the evaluation and when it is used.

    Found where, within a model that is in evaluation mode and makes no graph, `F.dropout` runs with
    a probability above 0 and was not told any mode, `scaled_dot_product_attention` has a
    `dropout_p` above 0, or a Dropout layer works that the model does not hold. Layers that the
    script itself has put back into training mode, a `training=True` that it writes out, and a
    model that is asked several times about one input (Monte Carlo dropout) are on purpose.

    Source: the documentation of torch.nn.functional.dropout and scaled_dot_product_attention.
    """
    for one in {one.site: one for one in run.dropped}.values():
        if one.repeats >= limits.dropout_repeat_share * one.calls:
            yield Abstain("the model is asked several times about one input")
        elif one.calls < limits.dropout_calls:
            yield Abstain(f"needs {count(limits.dropout_calls, 'evaluated batch')}, saw one")
        else:
            yield _found(one)


def _found(one: DroppedOut) -> Found:
    what = {
        "function": "F.dropout",
        "attention": "scaled_dot_product_attention",
        "layer": "a Dropout that the model does not hold",
    }[one.how]
    return Found(
        one.site,
        f"{what} drops out with p = {one.p:g} while `{one.module}` is in evaluation mode: every "
        "prediction is disturbed at random",
        hint=_HINTS[one.how],
        evidence=(
            measured("dropout probability in evaluation mode", one.p, one.step),
            measured("evaluated batches", one.calls),
        ),
    )
