"""RUN504: the scheduler steps first, and the first learning rate is skipped."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import Schedule
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

RULE = "TRN502"
# Their first value is often one to be skipped, and is then skipped on purpose.
_CUSTOM = ("LambdaLR", "MultiplicativeLR", "ReduceLROnPlateau")


@detector("RUN504", Severity.WARNING, confirms=(RULE,), needs=("schedules",))
def scheduler_before_optimizer(run: Run, limits: Thresholds) -> Iterator[Result]:
    """`scheduler.step()` comes before `optimizer.step()`.

    Since torch 1.1 a scheduler sets the rate for the steps *after* its call, and its constructor
    that of the first. Called first, it skips the first value and ends one value too far.

    Judged by the order of events: at least three calls, and half of all, came between a backward
    and the very next step, which consumed it; or the first call came before any backward, any
    step and any pass of training data, once only, and was repeated with passes in between (the
    order of torch 1.0: `for epoch: scheduler.step(); train()`). Several calls before the first
    step wind a resumed schedule forward. `LambdaLR` is left alone, whose first factor is often a 0
    that is to be skipped; so are the steps that a GradScaler leaves out.
    """
    for schedule in run.schedules.values():
        if schedule.name in _CUSTOM:
            yield Abstain(f"the first value of `{schedule.name}` may be skipped on purpose")
        elif schedule.calls < limits.schedule_calls:
            yield Abstain(f"needs {limits.schedule_calls} calls of step(), saw {schedule.calls}")
        elif _is_early(run, schedule, limits):
            yield _found(schedule)
        elif schedule.stepped and not schedule.early:
            facts = (measured("calls before the step that they belong to", 0, schedule.step),)
            yield Witness(RULE, Verdict.NOT_REPRODUCED, facts, (schedule.stepped,))


def _is_early(run: Run, schedule: Schedule, limits: Thresholds) -> bool:
    if not schedule.taken:
        return False
    if schedule.between >= max(limits.schedule_calls, limits.clip_share * schedule.calls):
        return True
    passes = sum(one.training for one in run.passes)
    return schedule.opening and schedule.early == 1 and passes >= schedule.calls - 1


def _found(schedule: Schedule) -> Found:
    calls = schedule.between or schedule.calls
    return Found(
        schedule.stepped,
        f"`{schedule.name}` is stepped before its optimizer ({calls} of {schedule.calls} calls): "
        "the first learning rate is skipped",
        hint="call scheduler.step() after optimizer.step(); for a schedule in epochs, at the end "
        "of the epoch",
        related=((schedule.site, "the scheduler was made here"),),
        evidence=(
            measured("calls before the step that they belong to", calls, schedule.step),
            measured("calls before the optimizer's first step", schedule.early),
        ),
    )
