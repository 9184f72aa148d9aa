"""TRN703."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.graph import ancestors
from trainlint.lint.logged import Logged, logged
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Expr, Obj, Value
from trainlint.lint.mentions import walk
from trainlint.lint.model import Argument, Loop, Script
from trainlint.lint.rule import found, rule


@rule("TRN703", needs=(b"SummaryWriter", b"wandb", b"mlflow"))
def inner_index_as_step(script: Script) -> Iterator[Finding]:
    """The global step is the index of the inner loop, which starts again in each outer pass.

    TensorBoard draws the epochs over each other, as one zigzag; Weights & Biases drops all values
    whose step is lower than the last, that is, all epochs but the first.

    Found for scalars where the step surely starts again. Nothing is said where the writer, the tag
    or the run is another one in each outer pass.

    Bad:
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), i)  # TRN703
    Good:
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), epoch * len(loader) + i)

    Fix safety: the fix is offered where the outer loop is a `range` from 0 and the inner one runs
    over a DataLoader or tensor. It changes nothing but the steps that are logged.
    Source: the documentation of torch.utils.tensorboard.SummaryWriter.add_scalar, on
    `global_step`, and of wandb.log, on `step` (it must not decrease).
    """
    if not script.whole:
        return
    for one in logged(script):
        if one.scalar and one.step is not None and not one.stands_still:
            loops = _restarted(one, one.step.value)
            if loops is not None:
                yield _finding(script, one, one.step, *loops)


def _restarted(one: Logged, step: Value) -> tuple[Loop, Loop] | None:
    """The loop around, and the loop within it whose passes the step counts from the start."""
    varies, loops = step.varies, one.event.loops
    if not varies or not varies <= set(loops):
        return None
    first = min(loops.index(loop) for loop in varies)
    outer, inner = (loops[first - 1], loops[first]) if first else (None, loops[0])
    if outer is None or not one.one_curve(outer) or not one.recurs(outer):
        return None
    return (outer, inner) if _counts(step, inner, outer) else None


def _counts(step: Value, inner: Loop, outer: Loop) -> bool:
    """Whether a step is computed from the inner loop's count, or from a counter, and no more."""
    for part in ancestors(step):
        plain = type(part) is Value and part.varies is not None
        if plain and inner in (part.varies or ()) and part is not inner.counter:
            return False
    return not any(_may_move(start, outer) for start in _starts(inner))


def _starts(loop: Loop) -> list[Value]:
    """Where a loop's count starts, if that is given."""
    found = [loop.start] if loop.start is not None else []
    if isinstance(loop.over, Expr) and loop.over.op == "builtins.range":
        found += loop.over.parts[:-1] if loop.index is None else []
    return found


def _may_move(start: Value, outer: Loop) -> bool:
    return start.varies is None or outer in start.varies


def _finding(script: Script, one: Logged, step: Argument, outer: Loop, inner: Loop) -> Finding:
    mended = _mended(step, outer, inner)
    lost = "drops what follows the first" if one.sink == "wandb" else "draws them over each other"
    drawer = {"writer": "TensorBoard", "wandb": "wandb", "mlflow": "MLflow"}[one.sink]
    return found(
        step.site,
        f"the global step `{step.text}` starts again in each pass of the loop around:"
        f" {drawer} {lost}",
        related=[(inner.heading, "the step counts this loop"), (outer.heading, "within this one")],
        hint=f"use `{mended}`" if mended else "count the passes of both loops",
        fix=_fix(script, step, mended, inner) if mended else None,
    )


def _mended(step: Argument, outer: Loop, inner: Loop) -> str | None:
    """The step with the outer passes counted, where all of it is visible in one place."""
    counted = _range_name(outer)
    if counted is None or inner.index != step.text or not re.fullmatch(r"[\w.]+", inner.over_text):
        return None
    if not any(node is inner.site.node for node in walk(outer.site.node)):
        return None
    return f"{counted} * len({inner.over_text}) + {step.text}"


def _range_name(loop: Loop) -> str | None:
    """`epoch` of `for epoch in range(epochs)`."""
    node, over = loop.site.node, loop.over
    if not isinstance(node, cst.For) or loop.index is not None or not isinstance(over, Expr):
        return None
    return dotted(node.target) if over.op == "builtins.range" and len(over.parts) == 1 else None


def _fix(script: Script, step: Argument, mended: str, inner: Loop) -> Fix | None:
    sized = isinstance(inner.over, Obj) and inner.over.kind in ("loader", "output")
    if not sized or step.site.script is not script or inner.start is not None:
        return None
    edit = script.edit(step.site.node, mended)
    return None if edit is None else Fix(f"Use `{mended}`", (edit,), safe=True)
