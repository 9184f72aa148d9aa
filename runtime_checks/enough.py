"""Whether a run was long enough to be called healthy."""

from __future__ import annotations

from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count

# These evaluate a closure inside `step()`: what stands in `.grad` before it says nothing, and each
# backward in it counts as a step.
CLOSURE = frozenset({"LBFGS"})


def too_few_steps(run: Run, least: int) -> str:
    """Why a run of fewer optimizer steps than `least` tells too little; empty where it is enough.

    Also empty where there was none at all: that is told otherwise.
    """
    inner = [step for step in run.steps if run.optimizers[step.optimizer].name in CLOSURE]
    taken = len(run.steps) + sum(max(0, step.backwards - 1) for step in inner)
    if not run.steps or taken >= least:
        return ""
    steps = count(len(run.steps), "optimizer step")
    return f"too few steps to judge: it took {steps}, and {least} is the least ({_more(run)})"


def _more(run: Run) -> str:
    reason = run.end.reason if run.end else "vanished"
    if reason == "steps":
        return "raise --max-steps"
    if reason in ("seconds", "hung"):
        return "raise --max-seconds"
    return "let it train for longer"
