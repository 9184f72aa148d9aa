"""TRN701."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix
from trainlint.lint.logged import Logged, logged
from trainlint.lint.lower.values import Expr, Value
from trainlint.lint.model import Argument, Loop, Script
from trainlint.lint.rule import found, rule


@rule("TRN701", needs=(b"SummaryWriter", b"wandb", b"mlflow"))
def still_global_step(script: Script) -> Iterator[Finding]:
    """The global step of a logged value stands still while the loop around it runs.

    TensorBoard draws a value at its global step. Where the step is the same in each iteration of
    the loop that logs, all of them land on one point, and only the last is seen: the curve of an
    epoch is one dot.

    Nothing is said where the loop logs once in its course (under a test that is no modulo, or
    before a `break`), where each iteration logs another tag, or where the step, the writer or the
    tag come from something that cannot be seen. `wandb.log(…, step=…)` and `mlflow.log_metric` are
    judged alike; of `wandb.log` where the keys are written out.

    Bad:
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), epoch * len(loader))  # TRN701
    Good:
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), epoch * len(loader) + i)

    Fix safety: the fix is offered where the step is `outer * len(loader)` and the loop counts the
    batches of that loader. It changes nothing but the steps that are logged.
    Source: the documentation of torch.utils.tensorboard.SummaryWriter.add_scalar, on
    `global_step`, and of wandb.log, on `step` (values of one step become one row).
    """
    if not script.whole:
        return
    for one in logged(script):
        if one.step is not None and one.stands_still:
            yield _finding(script, one, one.step)


# MLflow keeps all values of a step, and draws them as one vertical line.
_SEEN = {
    "mlflow": "",
    "writer": ", and only the last is seen",
    "wandb": ", and only the last is kept",
}


def _finding(script: Script, one: Logged, step: Argument) -> Finding:
    loop = one.event.loops[-1]
    target = f" over `{loop.over_text}`" if loop.over_text else ""
    outer = "the loop around it" if len(one.event.loops) > 1 else "the whole loop"
    return found(
        step.site,
        f"the global step `{step.text}` stands still in the loop{target}: all its iterations"
        f" land on one step{_SEEN[one.sink]}",
        related=[(loop.heading, f"this loop runs on while the step stays; {outer} is one point")],
        hint=_hint(step, loop),
        fix=_fix(script, step, loop),
    )


def _mended(step: Argument, loop: Loop) -> str | None:
    """The step with the batch's index added, where that is surely what was meant."""
    if loop.index is None or not _counts_passes_of(step.value, loop):
        return None
    return f"{step.text} + {loop.index}"


def _counts_passes_of(value: Value, loop: Loop) -> bool:
    """`epoch * len(loader)`, in either order, for a loop over that loader."""
    if not isinstance(value, Expr) or value.op != "*" or len(value.parts) != 2:
        return False
    return any(
        isinstance(part, Expr) and part.op == "builtins.len" and part.parts[0] is loop.over
        for part in value.parts
    )


def _hint(step: Argument, loop: Loop) -> str:
    mended = _mended(step, loop)
    if mended is not None:
        return f"use `{mended}`"
    if loop.index is not None:
        over = loop.over_text
        return f"count the batches too: `{step.text} * len({over}) + {loop.index}`"
    return "count the iterations (`enumerate`, or a counter) and add the count to the step"


def _fix(script: Script, step: Argument, loop: Loop) -> Fix | None:
    mended = _mended(step, loop)
    edit = script.edit(step.site.node, mended) if mended is not None else None
    return None if edit is None else Fix(f"Use `{mended}`", (edit,), safe=True)
