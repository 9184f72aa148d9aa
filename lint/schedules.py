"""Learning-rate schedules: whose rate they set, and when they are stepped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.lint.graph import ancestors
from trainlint.lint.holding import may_be
from trainlint.lint.lower.values import Choice, Const, Expr, Obj, Seq, Value
from trainlint.lint.model import Condition, Event, Loop, Script, Trace
from trainlint.lint.optimizers import given, is_torch_optimizer, sure_events

_TORCH = "torch.optim.lr_scheduler."


def is_torch_scheduler(value: Value, *names: str) -> bool:
    """Whether a value is one of torch's own schedulers (of these names)."""
    if not isinstance(value, Obj) or value.kind != "scheduler" or value.cls is not None:
        return False
    if not value.qualname.startswith(_TORCH):
        return False
    return not names or value.qualname.removeprefix(_TORCH) in names


def class_name(value: Value) -> str:
    """`StepLR`."""
    return value.qualname.rpartition(".")[2] if isinstance(value, Obj) else ""


def optimizer_of(scheduler: Value) -> Obj | None:
    """The optimizer whose rate a scheduler sets, where that is one of torch's, and one only."""
    made = given(scheduler, 0, "optimizer") if isinstance(scheduler, Obj) else None
    return made if isinstance(made, Obj) and is_torch_optimizer(made) else None


@dataclass(frozen=True, eq=False)
class Tick:
    """A step of a torch scheduler, with what it belongs to."""

    trace: Trace
    index: int
    event: Event
    scheduler: Obj
    optimizer: Obj

    @property
    def loop(self) -> Loop:
        """The loop that steps it again and again."""
        return self.event.loops[-1]

    @property
    def name(self) -> str:
        """What the script calls the scheduler."""
        return self.event.receiver_text or "scheduler"

    def updates(self) -> Iterator[tuple[int, Event]]:
        """The steps of its optimizer in the same trace, with their place in it."""
        for index, event in enumerate(self.trace.events):
            if event.kind == "step" and may_be(event.receiver, self.optimizer):
                yield index, event

    def update_loops(self) -> set[Loop]:
        """The innermost loops that step the optimizer."""
        return {event.loops[-1] for _, event in self.updates() if event.loops}


def ticks(script: Script) -> Iterator[Tick]:
    """The steps in loops of schedulers that are surely torch's own, each place once per trace."""
    sure = {event.site.node for event in sure_events(script, "schedule", _is_sure, "step")}
    for trace in script.traces:
        for index, event in enumerate(trace.events):
            if event.kind != "schedule" or event.site.node not in sure or not event.loops:
                continue
            optimizer = optimizer_of(event.receiver)
            if optimizer is not None and isinstance(event.receiver, Obj):
                yield Tick(trace, index, event, event.receiver, optimizer)


def _is_sure(event: Event) -> bool:
    return is_torch_scheduler(event.receiver)


def inner_conditions(event: Event, loop: Loop) -> list[Condition]:
    """The conditions on an event that are decided within a loop's pass."""
    depth = event.loops.index(loop) if loop in event.loops else -1
    return [condition for condition in event.conditions if condition.depth > depth]


# -- how many passes -----------------------------------------------------------------------------


def pass_counts(loop: Loop) -> list[Value]:
    """What a `for … in range(…)` counts up to: its bound, without a `+ 1`."""
    over = loop.over
    if not isinstance(over, Expr) or over.op != "builtins.range" or not over.parts:
        return []
    bound = over.parts[0] if len(over.parts) == 1 else over.parts[1]
    found = [bound]
    if isinstance(bound, Expr) and bound.op == "+":
        found += [part for part in bound.parts if not _is_one(part)]
    return found


def _is_one(value: Value) -> bool:
    return isinstance(value, Const) and value.value == 1


def same_value(one: Value, other: Value, depth: int = 0) -> bool:
    """Whether two expressions are computed alike from the same values."""
    if one is other:
        return True
    if depth and isinstance(one, Const) and isinstance(other, Const):
        return one.value == other.value and type(one.value) is type(other.value)
    if not isinstance(one, Expr) or not isinstance(other, Expr) or depth > 4:
        return False
    if one.op != other.op or len(one.parts) != len(other.parts) or one.varies != other.varies:
        return False
    pairs = zip(one.parts, other.parts, strict=True)
    return all(same_value(a, b, depth + 1) for a, b in pairs)


def counts_only(value: Value, counts: list[Value]) -> bool:
    """Whether a number is computed from a count of passes, and from constants besides."""
    if any(same_value(value, count) for count in counts):
        return True
    if isinstance(value, Seq) or (isinstance(value, Expr) and value.op != "[]"):
        parts = value.items if isinstance(value, Seq) else value.parts
        judged = [(counts_only(part, counts), isinstance(part, Const)) for part in parts]
        return any(counted for counted, _ in judged) and all(map(any, judged))
    return False


def loop_counted(scheduler: Obj, length: Value, loops: tuple[Loop, ...]) -> Loop | None:
    """The loop from whose number of passes a scheduler's length comes, made before that loop."""
    for loop in loops:
        if counts_only(length, pass_counts(loop)):
            varies = scheduler.varies
            return None if varies is None or loop in varies else loop
    return None


def counts_batches(value: Value) -> bool:
    """Whether a number is computed from the length of something: a loader, as a rule."""
    parts = list(ancestors(value))
    if any(isinstance(part, Choice) for part in parts):
        return False
    return any(isinstance(part, Expr) and part.op == "builtins.len" for part in parts)
