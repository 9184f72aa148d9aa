"""RUN102: steps that move nothing."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import OptimizerInfo, Run, Step
from trainlint.runtime_checks.series import count, measured

# These evaluate a closure inside `step()`: what stands in `.grad` before it says nothing.
CLOSURE = frozenset({"LBFGS"})


# Cleared before the step, never made, cut off from the loss, or made for another model.
RULES = ("TRN102", "TRN105", "TRN107", "TRN108", "TRN113")


@detector("RUN102", Severity.ERROR, confirms=RULES, needs=("steps",))
def step_without_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer steps while none of its parameters has a gradient.

    Such a step does nothing. Either no backward came before it, or it cleared the gradients
    between backward and step, or the loss does not depend on these parameters: they belong to
    another copy of the model, were detached, or their module was replaced after the optimizer
    was made.

    Found where at least half of an optimizer's steps, and at least three, have `.grad` None
    throughout. Optimizers that compute gradients inside `step(closure)` are left alone: they are
    known by name, or by weights that move all the same.
    """
    for optimizer, info in run.optimizers.items():
        steps = [step for step in run.steps_of(optimizer) if not step.skipped and step.total]
        empty = [step for step in steps if step.with_grad == 0]
        if info.name in CLOSURE or any(step.update_ratio for step in empty):
            yield Abstain(f"`{info.name}` computes its gradients inside step()")
        elif len(steps) < limits.gradless_steps:
            yield Abstain(f"needs {limits.gradless_steps} steps, saw {len(steps)}")
        elif len(empty) >= max(limits.gradless_steps, limits.gradless_share * len(steps)):
            yield _found(info, empty, steps)
        elif not empty:
            facts = (measured("steps without gradients", 0, steps[-1].step),)
            sites = tuple({step.site for step in steps if step.site})
            for rule in RULES:
                yield Witness(rule, Verdict.NOT_REPRODUCED, facts, sites)


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
