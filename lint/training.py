"""The protocol of a training loop, read off the events: which backward belongs to which step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.lower.values import Obj, Value, options_of
from trainlint.lint.model import Event, Loop, Script, Trace


@dataclass(frozen=True, eq=False)
class Update:
    """One optimizer step of a loop, with the backward that comes before it in program order."""

    trace: Trace
    backward: Event
    step: Event
    between: tuple[Event, ...]
    optimizer: Value

    @property
    def functions(self) -> set[cst.CSTNode]:
        """The functions on the way to the step and to the backward."""
        return {*self.step.functions, *self.backward.functions}


def is_optimizer(value: Value) -> bool:
    """Whether each thing that a value may be is one of torch's own optimizers."""
    return all(
        isinstance(option, Obj) and option.kind == "optimizer" and option.cls is None
        for option in options_of(value)
    )


def updates(script: Script) -> Iterator[Update]:
    """The steps of known optimizers inside loops, each with its backward."""
    for trace in script.traces:
        last: int | None = None
        for index, event in enumerate(trace.events):
            if event.kind == "backward":
                last = index
                continue
            if event.kind != "step" or not event.loops or last is None:
                continue
            if is_optimizer(event.receiver):
                between = tuple(trace.events[last + 1 : index])
                yield Update(trace, trace.events[last], event, between, event.receiver)


def innermost(event: Event) -> Loop | None:
    """The loop that runs an event again and again."""
    return event.loops[-1] if event.loops else None
