"""Loops that evaluate: where predictions are judged and nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.lint.graph import ancestors, inputs, reached
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Expr, Obj, Value
from trainlint.lint.model import Event, Loop, Script, Trace

# What is done to predictions in order to judge them.
_CHOOSES = ("argmax", "max", "topk", "eq", "round", "torch.argmax", "torch.max", "torch.topk",
            "torch.eq", "torch.round")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A loop over data in which a module's predictions are judged, and nothing is trained."""

    trace: Trace
    loop: Loop
    forward: Event

    @property
    def module(self) -> Value:
        """The module that predicts, wrappers taken off."""
        return unwrapped(self.forward.receiver)

    @property
    def index(self) -> int:
        """Where the prediction stands in its trace."""
        return self.trace.events.index(self.forward)


def evaluations(script: Script) -> Iterator[Evaluation]:
    """The evaluations of a script, one for each loop and module."""
    for trace in script.traces:
        training = {loop for e in trace.events if e.kind == "backward" for loop in e.loops}
        seen: set[tuple[Loop, Value]] = set()
        for event in trace.events:
            if event.kind != "forward" or not event.loops:
                continue
            loop, module = event.loops[-1], unwrapped(event.receiver)
            if loop in training or not runs_over_data(loop) or (loop, module) in seen:
                continue
            if _is_outermost(event) and _takes_from(event, loop) and judged(trace, event):
                seen.add((loop, module))
                yield Evaluation(trace, loop, event)


def runs_over_data(loop: Loop) -> bool:
    """Whether a loop takes batches from something, rather than counting or waiting."""
    counts = isinstance(loop.over, Expr) and loop.over.op == "builtins.range"
    return loop.kind == "for" and not counts


def _is_outermost(event: Event) -> bool:
    """Whether a module is used by the script itself, not by another module's forward."""
    names = [getattr(getattr(one, "name", None), "value", "") for one in event.functions]
    return not names or names[-1] != "forward"


def _takes_from(event: Event, loop: Loop) -> bool:
    """Whether the module is given what the loop takes from its data."""
    given = (value for arg in event.args for value in ancestors(arg.value))
    return any(
        type(value) is Value and value.varies is not None and loop in value.varies
        for value in given
    )


def judged(trace: Trace, event: Event) -> bool:
    """Whether a module's output goes into a loss, or the best of it is compared."""
    output = event.result
    for other in trace.events:
        if other.kind == "loss" and _reaches(other, output):
            return True
        chooses = other.kind in ("method", "call") and other.callee in _CHOOSES
        if chooses and (output in ancestors(other.receiver) or _reaches(other, output)):
            return True
    return False


def _reaches(event: Event, output: Value) -> bool:
    return any(output in ancestors(arg.value) for arg in event.args)


def batches_of(value: Value) -> Iterator[Loop]:
    """The loops from whose data a value was computed.

    What a module makes is told by what it is given: its `forward` was followed once, with the
    batches of its first call.
    """
    for one in reached((value,), _given_to):
        if type(one) is Value and one.varies:
            yield from one.varies


def _given_to(value: Value) -> tuple[Value, ...]:
    made = isinstance(value, Obj) and value.kind == "output"
    return value.args if made and isinstance(value, Obj) else inputs(value)


def dataset_of(loader: Obj) -> Value | None:
    """What a loader takes its batches from."""
    return loader.args[0] if loader.args else loader.kwargs.get("dataset")


def is_loader(value: Value) -> bool:
    """Whether a value is a DataLoader of torch's."""
    return isinstance(value, Obj) and value.kind == "loader" and value.cls is None
