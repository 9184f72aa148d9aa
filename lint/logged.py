"""What a script logs: at which global step, and whether it logs the same curve again and again."""

from __future__ import annotations

from trainlint.lint.lower.values import Const, Expr, Obj
from trainlint.lint.model import Argument, Condition, Event, Loop

# Where each method of a SummaryWriter takes its global step.
_STEP = {"add_scalar": 2, "add_scalars": 2, "add_histogram": 2, "add_image": 2, "add_images": 2}


def takes_step(event: Event) -> bool:
    """Whether the call is of a method that takes a global step."""
    return event.callee in _STEP


def step_of(event: Event) -> Argument | None:
    """The global step that a log call is given."""
    return event.argument(_STEP.get(event.callee, 99), "global_step")


def logs_again(event: Event, loop: Loop) -> bool:
    """Whether a log call writes to one curve in pass after pass of a loop around it.

    It does not where the writer or the tag change from pass to pass, or may; nor where the loop
    logs once in its course: under a test that is no modulo, or before it is left.
    """
    writer, tag = event.receiver, event.argument(0, "tag") or event.argument(0, "main_tag")
    if not isinstance(writer, Obj) or writer.kind != "writer" or tag is None:
        return False
    if loop.kind == "comprehension" or _runs_once(loop):
        return False
    for value in (writer, tag.value):
        if value.varies is None or loop in value.varies:
            return False
    return all(_lets_many_through(condition, event, loop) for condition in event.conditions)


def _runs_once(loop: Loop) -> bool:
    """`for _ in range(1)`, or a loop that is left at the end of its first pass."""
    over = loop.over
    if isinstance(over, Expr) and over.op == "builtins.range" and len(over.parts) == 1:
        return isinstance(over.parts[0], Const) and over.parts[0].value == 1
    return loop.leaves_at_once


def _lets_many_through(condition: Condition, event: Event, loop: Loop) -> bool:
    """Whether a condition holds in many passes of the loop, or in none."""
    if condition.depth <= event.loops.index(loop):
        return True  # decided outside the loop
    varies = condition.value.varies
    if varies is not None and loop not in varies:
        return True
    return condition.periodic and not condition.leaves
