"""RUN113: parameters that an optimizer holds and no loss ever reaches."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import layers_of, named, site_of
from trainlint.runtime_checks.record import Idle, OptimizerInfo
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN113", Severity.INFO, confirms=("TRN807",), needs=("steps",))
def optimizer_holds_unused_parameters(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer holds parameters that never get a gradient.

    A layer that `forward` does not use, or whose output reaches no loss: it stays as it was
    initialised, and is saved, loaded and moved to the GPU for nothing. It can be meant so: a head
    for another task, a branch that is taken later. Hence this is a note.

    Found where a parameter that requires a gradient had none at any of the steps that were looked
    at (the first 20, and each 11th after that), over at least 20 of them, while others of the same
    optimizer had one. RUN102 speaks where none had.
    """
    last = {one.optimizer: one for one in run.idle}
    for info in run.optimizers.values():
        idle = last.get(info.id)
        if idle is None or idle.samples < limits.idle_samples:
            seen = idle.samples if idle else 0
            yield Abstain(
                f"needs {limits.idle_samples} steps that are looked at closely, saw {seen}"
            )
        elif idle.names and len(idle.names) < len(info.parameters):
            yield _found(run, info, idle)


def _found(run: Run, info: OptimizerInfo, idle: Idle) -> Found:
    known = [name for name in idle.names if name != "?"]
    of_no_model = len(idle.names) - len(known)
    what = named(layers_of(known)) if known else count(of_no_model, "tensor")
    return Found(
        site_of(run, info.models, known) or info.site,
        f"`{info.name}` holds {what}, which no loss ever reached "
        f"({count(len(idle.names), 'parameter')} without a gradient)",
        hint="use them in forward(), or leave them out",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("parameters without a gradient", len(idle.names), idle.step),
            measured("steps that were looked at", idle.samples),
        ),
    )
