"""RUN408: a model says the same whatever it is given."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import Outputs
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

_CAUSES = ("RUN101", "RUN104", "RUN105", "RUN608", "RUN801")


@detector("RUN408", Severity.ERROR, needs=("models",), explained_by=_CAUSES)
def constant_output(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The output of a model is the same for all samples of a batch, and stays so.

    Nothing of the inputs arrives: all units of a layer are dead, a softmax is taken over an axis of
    one number or over the batch, or the output was overwritten. A loss can go on falling, to that
    of the best constant.

    Found where the outputs of all samples, four at the least, were the same to six digits in the
    last ten batches that were looked at in training, and in half of all, while the inputs were not.
    The first steps of a head that begins at zero are none. Where gradients piled up or exploded, or
    units died, that is the cause, and is found in its place.
    """
    last: dict[int, Outputs] = {one.model: one for one in run.outputs}
    if not any(one.looks >= limits.constant_looks for one in last.values()):
        yield Abstain(f"needs {count(limits.constant_looks, 'batch')} of a model in training")
    for number, one in last.items():
        model = run.models.get(number)
        if model is None or one.streak < max(limits.constant_looks, one.looks / 2):
            continue
        yield Found(
            model.site,
            f"`{model.name}` gives the same output for every sample, in the last "
            f"{count(one.streak, 'batch')} looked at",
            hint="look at the last layers: a softmax over one output is always 1, and a ReLU that "
            "is dead for all samples always 0",
            evidence=(
                measured("batches with one output for all", one.streak, one.step),
                measured("batches looked at", one.looks, one.step),
                measured("greatest absolute value of the output", one.size, one.step),
            ),
        )
        if abs(one.size - 1) < 1e-6:
            facts = (measured("greatest absolute value of the output", one.size, one.step),)
            yield Witness("TRN416", Verdict.CONFIRMED, facts)
