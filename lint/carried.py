"""Losses that a script keeps from pass to pass of a loop: sums, lists, and their graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.cutting import cuts_graph
from trainlint.lint.graph import inputs
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Choice, Const, Expr, Obj, Seq, Value
from trainlint.lint.mentions import walk
from trainlint.lint.model import Argument, Event, Loop, Trace
from trainlint.lint.modes import NO_GRAD
from trainlint.lint.passes import pass_count

# Arithmetic, and operations of tensors, through which a gradient flows to a loss.
_FLOWS = frozenset({"+", "-", "*", "/", "minus", "plus"})
_METHODS = frozenset({"mean", "sum", "clone", "squeeze", "view", "reshape", "to", "cpu", "scale"})

_FEW = 16  # passes
_DEEP = 8  # operations


@dataclass(frozen=True, eq=False)
class Kept:
    """A loss that is kept: the line that keeps it, and the loop whose passes add to it."""

    event: Event
    loss: Argument
    loop: Loop
    backward: Event

    @property
    def name(self) -> str:
        """What it is kept in."""
        return self.event.receiver_text


def kept_losses(trace: Trace) -> Iterator[Kept]:
    """The losses that are kept with graphs that a backward has already run through."""
    backwards = [event for event in trace.events if event.kind == "backward" and event.loops]
    for event in trace.events:
        added = _added(event)
        if added is None or event.within(*NO_GRAD) or ".data" in event.receiver_text:
            continue
        backward = next((one for one in backwards if _is_of(one, event, added.value)), None)
        if backward is not None and _lives_on(event, event.loops[-1]):
            yield Kept(event, added, event.loops[-1], backward)


def _added(event: Event) -> Argument | None:
    """What is added to a sum, or put on a list."""
    if not event.loops or not event.args:
        return None
    if event.kind == "augment" and event.callee == "+":
        return event.args[0]
    appends = event.kind == "method" and event.callee == "append"
    return event.args[0] if appends and isinstance(event.receiver, Seq) else None


def _is_of(backward: Event, event: Event, value: Value) -> bool:
    """Whether a backward in the same pass runs through the graph of what is kept, and frees it."""
    if backward.loops != event.loops or backward.argument(1, "retain_graph") is not None:
        return False
    losses = set(_terms(backward.receiver))
    if event.kind == "augment" and event.result in losses:
        return False  # the sum itself is trained on
    return any(term in losses for term in _terms(value))


def _terms(value: Value, depth: int = 0) -> Iterator[Value]:
    """A loss, and the losses that it is computed from by arithmetic."""
    if depth > _DEEP or _is_count(value):
        return
    if isinstance(value, Expr) and value.op in _FLOWS:
        yield value
        for part in _summands(value):
            yield from _terms(part, depth + 1)
    elif isinstance(value, Choice):
        for option in value.options:
            yield from _terms(option, depth + 1)
    elif isinstance(value, Obj) and value.kind == "output":
        yield value
        if value.qualname.rpartition(".")[2] in _METHODS and value.args:
            yield from _terms(value.args[0], depth + 1)
    elif type(value) is Value and value.varies is None:
        yield value


def _summands(value: Expr) -> tuple[Value, ...]:
    """The parts that may be losses: of several factors, those that are no mere weights.

    A factor of unknown origin beside a loss is a mask or a count as likely as a loss.
    """
    if value.op not in ("*", "/"):
        return value.parts
    factors = tuple(part for part in value.parts if not _is_count(part))
    made = tuple(part for part in factors if isinstance(part, (Obj, Expr)))
    return made or (factors if len(factors) == 1 else ())


def _is_count(value: Value, depth: int = 0) -> bool:
    """Whether a value surely has no graph: numbers, data, and what is computed from such alone."""
    if isinstance(value, Const) or cuts_graph(value, is_loss=False):
        return True
    if type(value) is Value:
        return bool(value.varies)  # what a loop takes from its data
    if isinstance(value, Choice):
        return all(_is_count(option, depth + 1) for option in value.options)
    if depth > _DEEP or not isinstance(value, (Expr, Obj)):
        return False
    if isinstance(value, Obj) and not (value.kind == "output" and value.qualname):
        return False
    parts = inputs(value)
    return bool(parts) and all(_is_count(part, depth + 1) for part in parts)


def _lives_on(event: Event, loop: Loop) -> bool:
    """Whether what is kept was there before the loop, and is never begun anew within it."""
    before = event.receiver
    if _is_short(loop):
        return False
    if isinstance(before, Seq):
        made_here = before.varies is None or loop in before.varies
    else:
        made_here = before.varies is not None and loop not in before.varies
    inside = walk(loop.site.node)
    return not made_here and not any(_begins_anew(one, event.receiver_text) for one in inside)


def _is_short(loop: Loop) -> bool:
    """Whether it surely has few passes: what they keep is soon let go."""
    count = pass_count(loop)
    return isinstance(loop.over, Seq) or (count is not None and count <= _FEW)


def _begins_anew(node: cst.CSTNode, name: str) -> bool:
    """`total = 0`, `total.clear()`, or anything else that is assigned to it."""
    if isinstance(node, cst.Call):
        return dotted(node.func) in (f"{name}.clear", f"{name}.pop", f"{name}.zero_")
    if isinstance(node, cst.Del):
        return True
    return isinstance(node, cst.Assign) and any(
        dotted(target.target) == name for target in node.targets
    )
