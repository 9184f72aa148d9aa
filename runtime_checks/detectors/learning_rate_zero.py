"""RUN501: steps with a learning rate of 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.scheduling import find_mismatch, is_done, taken_steps
from trainlint.runtime_checks.series import count, measured


@detector("RUN501", Severity.WARNING, confirms=("TRN513",), needs=("steps",))
def learning_rate_zero(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Steps are taken with a learning rate of 0: they move nothing.

    A schedule whose first factor is 0, stepped once an epoch, wastes an epoch; one that has run out
    leaves the training standing while it goes on computing.

    Found where the rates of all of an optimizer's groups are 0 for at least 20 steps, and these
    are the first half of its steps, or the last fifth. A warm-up that begins at 0 for a step, and a
    decay that reaches 0 with the last, are not found; nor is a single group whose rate is 0, which
    is a way of freezing it. Left alone are optimizers whose weights move all the same, one that
    waits for its turn while others train, and rates that RUN503 explains.
    """
    for optimizer, info in run.optimizers.items():
        steps = taken_steps(run, optimizer)
        yield from _judge(run, info, steps, limits)


def _judge(
    run: Run, info: OptimizerInfo, steps: Sequence[Step], limits: Thresholds
) -> Iterator[Result]:
    if len(steps) < limits.zero_rate_steps:
        yield Abstain(f"needs {limits.zero_rate_steps} steps, saw {len(steps)}")
        return
    first, last = _leading(steps), _leading(steps[::-1])
    wrong = _share(first, steps, limits, limits.zero_rate_start) or _share(
        last, steps, limits, limits.zero_rate_end
    )
    if not wrong:
        if info.site and not first:
            facts = (measured("steps with a learning rate of 0", 0, steps[-1].step),)
            yield Witness("TRN513", Verdict.NOT_REPRODUCED, facts, (info.site,))
        return
    if any(step.update_ratio for step in wrong):
        yield Abstain(f"`{info.name}` moves its weights though its learning rate is 0")
    elif len(run.optimizers) > 1 and not is_done(run):
        yield Abstain(f"`{info.name}` may wait for its turn")
    elif any(
        find_mismatch(run, schedule, limits)
        for schedule in run.schedules.values()
        if schedule.optimizer == info.id
    ):
        yield Abstain("RUN503 tells why it is 0")
    else:
        yield _found(run, info, wrong, steps)


def _is_zero(step: Step) -> bool:
    return not any(step.lrs)


def _leading(steps: Sequence[Step]) -> list[Step]:
    return list(takewhile(_is_zero, steps))


def _share(zero: list[Step], steps: Sequence[Step], limits: Thresholds, share: float) -> list[Step]:
    """In order; empty where these are too few."""
    enough = len(zero) >= max(limits.zero_rate_steps, share * len(steps))
    return sorted(zero, key=lambda step: step.step) if enough else []


def _found(run: Run, info: OptimizerInfo, wrong: list[Step], steps: Sequence[Step]) -> Found:
    schedules = [one for one in run.schedules.values() if one.optimizer == info.id]
    related = tuple((one.site, f"`{one.name}` sets the rate") for one in schedules)
    when = (
        "all" if len(wrong) == len(steps) else "the first" if wrong[0] is steps[0] else "the last"
    )
    return Found(
        wrong[0].site,
        f"{when} {count(len(wrong), 'step')} of `{info.name}` are taken with a learning rate of 0: "
        "they move nothing",
        hint="look at the schedule: its factor is 0 here, or it ended long before the training"
        if schedules
        else "give the optimizer a learning rate above 0",
        related=((info.site, "the optimizer was made here"), *related),
        evidence=(
            measured("steps with a learning rate of 0", len(wrong), wrong[0].step),
            measured("steps of the optimizer", len(steps)),
        ),
    )
