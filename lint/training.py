"""The protocol of a training loop, read off the events: what belongs to which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.lower.values import Bound, Choice, Const, Func, Map, Obj, Seq, Value, options_of
from trainlint.lint.model import Event, Loop, Script, Trace


@dataclass(frozen=True, eq=False)
class Update:
    """One optimizer step, with the backward that comes before it in program order.

    `cycle` is the innermost loop around both: what runs them again and again.
    """

    trace: Trace
    backward: Event
    step: Event
    between: tuple[Event, ...]
    optimizer: Value
    cycle: Loop | None

    @property
    def functions(self) -> set[cst.CSTNode]:
        """The functions on the way to the step and to the backward."""
        return {*self.step.functions, *self.backward.functions}

    @property
    def inside(self) -> list[Event]:
        """All events of the cycle's passes, in program order."""
        return [event for event in self.trace.events if self.cycle in event.loops]


def is_optimizer(value: Value) -> bool:
    """Whether each thing that a value may be is one of torch's own optimizers."""
    return all(
        isinstance(option, Obj) and option.kind == "optimizer" and option.cls is None
        for option in options_of(value)
    )


def updates(script: Script) -> Iterator[Update]:
    """The steps of known optimizers inside loops, each with its backward."""
    for update in all_updates(script):
        if update.step.loops and is_optimizer(update.optimizer):
            yield update


def all_updates(script: Script) -> Iterator[Update]:
    """Every step, of whatever it may be, with the backward before it."""
    for trace in script.traces:
        last: int | None = None
        for index, event in enumerate(trace.events):
            if event.kind == "backward":
                last = index
            elif event.kind == "step" and last is not None:
                backward = trace.events[last]
                between = tuple(trace.events[last + 1 : index])
                cycle = shared_loop(backward, event)
                yield Update(trace, backward, event, between, event.receiver, cycle)


def shared_loop(one: Event, other: Event) -> Loop | None:
    """The innermost loop around both of two events."""
    shared = shared_loops(one, other)
    return shared[-1] if shared else None


def shared_loops(one: Event, other: Event) -> list[Loop]:
    """The loops around both of two events, outermost first."""
    shared = []
    for left, right in zip(one.loops, other.loops, strict=False):
        if left is not right:
            break
        shared.append(left)
    return shared


def innermost(event: Event) -> Loop | None:
    """The loop that runs an event again and again."""
    return event.loops[-1] if event.loops else None


def unconditional(event: Event, since: Event) -> bool:
    """Whether an event happens whenever another does."""
    return all(condition in since.conditions for condition in event.conditions)


def together(one: Event, other: Event) -> bool:
    """Whether two events happen in the same passes of the same loops, under the same tests."""
    return one.loops == other.loops and unconditional(one, other) and unconditional(other, one)


def reads(script: Script, *texts: bytes) -> bool:
    """Whether any of these stands in the script, or in a file that it imports."""
    return any(text in data for data in texts_of(script) for text in texts)


def texts_of(script: Script) -> list[bytes]:
    """The bytes of the script, and of the files of its project that it imports."""
    source = script.source
    if script.project is None:
        return [source.data]
    return list(script.project.reached(source.path, source.data))


# -- who holds whose parameters ------------------------------------------------------------------


def modules_of(optimizer: Value) -> set[Value] | None:
    """The modules whose parameters an optimizer was made of; None where that is not known."""
    if not isinstance(optimizer, Obj):
        return None
    given = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params")
    return None if given is None else _owners(given)


def _owners(given: Value) -> set[Value] | None:
    if isinstance(given, Obj) and given.kind == "parameters":
        owner = given.args[0] if given.args else None
        return {owner} if isinstance(owner, Obj) and owner.kind == "module" else None
    parts: Iterable[Value]
    if isinstance(given, Seq):
        parts = given.items
    elif isinstance(given, Map):
        parts = [given.items[key] for key in ("params",) if key in given.items]
    else:
        return None
    found: set[Value] = set()
    for part in parts:
        owners = _owners(part)
        if owners is None:
            return None
        found |= owners
    return found or None


def held_by(value: Value, wanted: Value, depth: int = 0) -> bool:
    """Whether code that is handed a value gets hold of another."""
    if value is wanted:
        return True
    if depth > 4:
        return False
    if isinstance(value, Bound):
        return held_by(value.receiver, wanted, depth + 1)
    parts: Iterable[Value] = ()
    if isinstance(value, Seq):
        parts = value.items
    elif isinstance(value, Choice):
        parts = value.options
    elif isinstance(value, Map):
        parts = value.items.values()
    elif isinstance(value, Func):
        return True  # it may close over anything
    elif isinstance(value, Obj) and value.kind == "object" and value.cls is not None:
        return True  # an attribute of it may be anything
    return any(held_by(part, wanted, depth + 1) for part in parts)


# -- escapes -------------------------------------------------------------------------------------


def escaped(script: Script, value: Value) -> bool:
    """Whether code that cannot be seen was ever handed a value."""
    for event in script.events("opaque"):
        if any(held_by(arg.value, value) for arg in event.args):
            return True
    return False


def clears_to_none(event: Event) -> bool:
    """`p.grad = None`."""
    value = event.result
    return event.kind == "set_grad" and isinstance(value, Const) and value.value is None
