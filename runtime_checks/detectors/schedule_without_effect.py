"""RUN502: a schedule of which no step feels anything."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import Schedule
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.scheduling import is_done, taken_steps
from trainlint.runtime_checks.series import count, measured

NEVER_STEPPED, OTHER = "TRN501", "TRN507"
# Stepped only late in a training.
_LATE = ("SWALR",)


@detector("RUN502", Severity.WARNING, confirms=(NEVER_STEPPED, OTHER), needs=("schedules",))
def schedule_without_effect(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A scheduler is there, and the learning rate of the steps stays what it was.

    Three ways lead there, and each is counted, not guessed: the scheduler is never stepped; it is
    stepped, but its optimizer never is, as another took its place; or it is stepped and sets the
    rate, and something sets it back before each step.

    A scheduler that is never stepped is found where the script ended by itself, or went through
    its data three times, and its optimizer took 20 steps. Not where another scheduler of the same
    optimizer is stepped (a warm-up that hands over later), or where averaging of weights has yet
    to begin. One whose optimizer rests is found after three calls and 50 steps of others, or at
    the end. A rate that a schedule has not changed yet (the first 30 epochs of `StepLR(30)`) is as
    it should be.
    """
    for schedule in run.schedules.values():
        if not schedule.calls:
            yield from _unstepped(run, schedule, limits)
        elif schedule.calls < limits.schedule_calls:
            yield Abstain(f"needs {limits.schedule_calls} calls of step(), saw {schedule.calls}")
        elif not schedule.taken:
            yield from _other_optimizer(run, schedule, limits)
        elif _is_overruled(run, schedule, limits):
            yield _overruled(schedule, run)
        else:
            facts = (measured("calls of the scheduler's step()", schedule.calls, schedule.step),)
            for rule, site in ((NEVER_STEPPED, schedule.site), (OTHER, schedule.stepped)):
                sites = (site,) if site else ()
                yield Witness(rule, Verdict.NOT_REPRODUCED, facts, sites)


def _unstepped(run: Run, schedule: Schedule, limits: Thresholds) -> Iterator[Result]:
    passes = sum(one.training for one in run.passes)
    if not schedule.torchs or schedule.siblings or schedule.name in _LATE:
        yield Abstain(f"`{schedule.name}` may be stepped later, or in a way of its own")
    elif schedule.taken < limits.schedule_steps:
        yield Abstain(f"needs {limits.schedule_steps} steps, saw {schedule.taken}")
    elif not is_done(run) and passes < limits.schedule_passes:
        yield Abstain(f"`{schedule.name}` may be stepped after the pass that was cut")
    else:
        yield Found(
            schedule.site,
            f"`{schedule.name}` is made and never stepped: the learning rate stays the same "
            f"through {count(schedule.taken, 'step')}",
            hint="call its step() after each epoch, or after each optimizer.step(), as its length "
            "is meant",
            evidence=(
                measured("calls of the scheduler's step()", 0, schedule.step),
                measured("steps of its optimizer", schedule.taken, schedule.step),
            ),
        )


def _other_optimizer(run: Run, schedule: Schedule, limits: Thresholds) -> Iterator[Result]:
    steps = len(run.steps)
    if (not is_done(run) and steps < 50) or steps < limits.schedule_steps:
        yield Abstain(f"the optimizer of `{schedule.name}` may step later")
        return
    others = [info for number, info in run.optimizers.items() if number != schedule.optimizer]
    yield Found(
        schedule.stepped,
        f"`{schedule.name}` sets the learning rate of an optimizer that never steps, while "
        f"{count(steps, 'step')} are taken with another",
        hint="make the scheduler from the optimizer that is stepped, after that was made",
        related=(
            (schedule.site, "the scheduler was made here"),
            *((info.site, f"`{info.name}`, which steps, was made here") for info in others[:2]),
        ),
        evidence=(
            measured("calls of the scheduler's step()", schedule.calls, schedule.step),
            measured("steps of its optimizer", 0, schedule.step),
        ),
    )


def _is_overruled(run: Run, schedule: Schedule, limits: Thresholds) -> bool:
    """The scheduler changed the rate, and every step was taken with the first one."""
    steps = taken_steps(run, schedule.optimizer)
    if schedule.changed < limits.schedule_calls or len(steps) < limits.schedule_steps:
        return False
    return all(step.lrs == steps[0].lrs for step in steps)


def _overruled(schedule: Schedule, run: Run) -> Found:
    steps = taken_steps(run, schedule.optimizer)
    rate = max(steps[0].lrs)
    return Found(
        schedule.stepped,
        f"`{schedule.name}` changes the learning rate, but all {count(len(steps), 'step')} are "
        f"taken with {rate:g}: something sets it back before each",
        hint="let only one place set `param_groups[...]['lr']`",
        related=((schedule.site, "the scheduler was made here"),),
        evidence=(
            measured("calls that changed the rate", schedule.changed, schedule.step),
            measured("steps with another rate than the first", 0, schedule.step),
        ),
    )
