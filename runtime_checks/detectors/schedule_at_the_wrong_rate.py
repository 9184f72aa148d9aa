"""RUN503: a schedule that counts epochs and is stepped for batches, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Evidence, Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import Schedule
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.scheduling import Mismatch, find_mismatch, is_per_step
from trainlint.runtime_checks.series import measured

FAST, CYCLE = "TRN503", "TRN504"
# How torch says that a OneCycleLR was stepped beyond its end.
_OVERRUN = "The specified number of total steps is"


@detector("RUN503", Severity.WARNING, confirms=(FAST, CYCLE), needs=("schedules",))
def schedule_at_the_wrong_rate(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A schedule is stepped much more, or much less often than its length is counted in.

    A scheduler knows only how often its `step()` is called. `StepLR(10)` that is meant in epochs
    and is stepped for each batch has divided the rate by ten after ten batches; a `OneCycleLR` over
    all batches that is stepped once an epoch never leaves its warm-up.

    Too fast: stepped about once for each step of its optimizer, the rate is below a thousandth of
    its highest from within the first pass to the end, over half of the steps and at least 20 (a
    millionth, where no loader says how long a pass is); or `CosineAnnealingLR` goes down and up
    again within one pass; or `OneCycleLR` raises since it was stepped beyond its end. Too slow:
    stepped at most once for four steps, while its length is the number of all those steps, to 5 %;
    where the run was cut, a multiple of the loader's length, and at least 2000.

    `ReduceLROnPlateau` has no length. A short warm-up that stays at its last value is none of
    these, and neither is a rate that ends at nothing where the training ends.
    """
    for schedule in run.schedules.values():
        mismatch = find_mismatch(run, schedule, limits)
        if _overran(run, schedule):
            yield _raised(schedule)
        elif mismatch is not None:
            yield _found(schedule, mismatch)
        elif schedule.calls < limits.schedule_calls:
            yield Abstain(f"needs {limits.schedule_calls} calls of step(), saw {schedule.calls}")
        elif schedule.stepped and not is_per_step(schedule):
            facts = (
                measured("calls of the scheduler's step()", schedule.calls, schedule.step),
                measured("steps of its optimizer", schedule.taken, schedule.step),
            )
            yield Witness(FAST, Verdict.NOT_REPRODUCED, facts, (schedule.stepped,))


def _overran(run: Run, schedule: Schedule) -> bool:
    return (
        run.raised is not None
        and _OVERRUN in run.raised.text
        and schedule.argument == "total_steps"
        and schedule.calls + 1 >= (schedule.length or 0)
    )


def _raised(schedule: Schedule) -> Found:
    return Found(
        schedule.stepped or schedule.site,
        f"`{schedule.name}` was stepped beyond its {schedule.argument} of {schedule.length}, and "
        f"raised, after {schedule.taken} steps of its optimizer",
        hint="give it the number of all the steps to come: epochs * len(loader), if it is stepped "
        "for each batch",
        related=((schedule.site, "the scheduler was made here"),),
        evidence=_evidence(schedule),
    )


def _found(schedule: Schedule, mismatch: Mismatch) -> Found:
    rates: tuple[Evidence, ...] = ()
    if mismatch.rate is not None:
        rates = (
            measured("highest learning rate", mismatch.highest),
            measured("learning rate", mismatch.rate, mismatch.step),
        )
    return Found(
        schedule.stepped,
        f"`{schedule.name}` {mismatch.text}",
        hint="step it once an epoch, or give it its length in batches"
        if mismatch.fast
        else "step it after each optimizer.step(), or give it its length in epochs",
        related=((schedule.site, "the scheduler was made here"),),
        evidence=(*rates, *_evidence(schedule)),
    )


def _evidence(schedule: Schedule) -> tuple[Evidence, ...]:
    return (
        measured("calls of the scheduler's step()", schedule.calls, schedule.step),
        measured("steps of its optimizer", schedule.taken, schedule.step),
    )
