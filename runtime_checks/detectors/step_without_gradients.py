"""RUN102: steps that move nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.enough import CLOSURE
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

# Cleared before the step, never made, cut off from the loss, or made for another model.
RULES = ("TRN102", "TRN105", "TRN107", "TRN108", "TRN113")


@detector("RUN102", Severity.ERROR, confirms=RULES, needs=("steps",))
def step_without_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer steps while none of its parameters has a gradient.

    Such a step does nothing. Either no backward came before it, or it cleared the gradients
    between backward and step, or the loss does not depend on these parameters: they belong to
    another copy of the model, were detached, or their module was replaced after the optimizer
    was made.

    Found where nearly all of an optimizer's steps (95 %, and at least three) have `.grad` None
    throughout. One whose gradients come back again and again, or are there at the end, is left
    alone: where tasks take turns, every optimizer is often stepped each time, and one without a
    gradient then rests. Optimizers that compute gradients inside `step(closure)` are left alone
    too: they are known by name, or by weights that move all the same.

    Found as well where none of the optimizer's parameters ever requires a gradient: all of it was
    frozen. Where others train beside it and the run was cut short, it may yet be thawed.
    """
    for optimizer, info in run.optimizers.items():
        taken = [step for step in run.steps_of(optimizer) if not step.skipped]
        steps = [step for step in taken if step.total]
        empty = [step for step in steps if step.with_grad == 0]
        resting = empty if steps else taken
        if info.name in CLOSURE or any(step.update_ratio for step in resting):
            yield Abstain(f"`{info.name}` computes its gradients inside step()")
        elif taken and all(step.frozen for step in taken):
            yield _frozen(run, info, taken, limits)
        elif len(steps) < limits.gradless_steps:
            yield Abstain(f"needs {limits.gradless_steps} steps, saw {len(steps)}")
        elif len(empty) >= max(limits.gradless_steps, limits.gradless_share * len(steps)):
            if not _comes_back(steps, limits):
                yield _found(info, empty, steps)
        elif not empty:
            facts = (measured("steps without gradients", 0, steps[-1].step),)
            sites = tuple({step.site for step in steps if step.site})
            for rule in RULES:
                yield Witness(rule, Verdict.NOT_REPRODUCED, facts, sites)


def _comes_back(steps: list[Step], limits: Thresholds) -> bool:
    """Whether its gradients are there at the end, or came back several times."""
    full = [step.with_grad > 0 for step in steps]
    returns = sum(now and not before for before, now in pairwise(full))
    return full[-1] or returns >= limits.gradient_returns


def _frozen(
    run: Run, info: OptimizerInfo, steps: list[Step], limits: Thresholds
) -> Found | Abstain:
    """All that the optimizer holds is frozen."""
    cut = run.end is not None and run.end.reason in ("steps", "seconds", "interrupted")
    if len(steps) < limits.gradless_steps or (cut and len(run.optimizers) > 1):
        return Abstain(f"none of the parameters of `{info.name}` requires a gradient so far")
    number = count(steps[0].frozen, "parameter")
    return Found(
        steps[0].site,
        f"`{info.name}` holds only frozen parameters ({number}): none requires a gradient, and its "
        f"{count(len(steps), 'step')} {'moves' if len(steps) == 1 else 'move'} nothing",
        hint="give it the parameters that are to be trained, or call requires_grad_(True) on them",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("steps of frozen parameters", len(steps), steps[0].step),
            measured("parameters that require a gradient", 0, steps[0].step),
        ),
    )


def _found(info: OptimizerInfo, empty: list[Step], steps: list[Step]) -> Found:
    silent = all(step.backwards == 0 for step in empty)
    reason = "no backward() came before it" if silent else "backward() did not reach them"
    return Found(
        empty[0].site,
        f"`{info.name}` steps while none of its {count(empty[0].total, 'parameter')} has a "
        f"gradient ({len(empty)} of {count(len(steps), 'step')}): {reason}",
        hint="call loss.backward() before step(), and zero_grad() before backward()"
        if silent
        else "check that the optimizer holds the parameters of the model that makes the loss, and "
        "that zero_grad() does not come between backward() and step()",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("steps without gradients", len(empty), empty[0].step),
            measured("parameters with a gradient", 0, empty[0].step),
        ),
    )
