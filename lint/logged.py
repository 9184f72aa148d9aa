"""What a script logs, and at which step: TensorBoard's writers, Weights & Biases, MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.lower.syntax import string_of
from trainlint.lint.lower.values import STILL, Const, Obj, Value
from trainlint.lint.model import Argument, Condition, Event, Loop, Script, Trace
from trainlint.lint.passes import runs_once

# Where each method of a writer takes its global step.
_STEP = {"add_scalar": 2, "add_scalars": 2, "add_histogram": 2, "add_image": 2, "add_images": 2}
# What begins another run, to which steps then belong.
_NEW_RUN = ("wandb.init", "wandb.finish", "mlflow.start_run", "mlflow.end_run")


@dataclass(frozen=True, eq=False)
class Logged:
    """A value that is logged under a tag; without a `step` none was given."""

    trace: Trace
    event: Event
    sink: str  # writer, wandb, mlflow
    writer: Value
    tag: Value
    step: Argument | None

    @property
    def scalar(self) -> bool:
        """Whether it becomes a point of a curve."""
        return self.event.callee not in ("add_histogram", "add_image", "add_images")

    def one_curve(self, loop: Loop) -> bool:
        """Whether all passes of a loop surely log to the same curve."""
        for value in (self.writer, self.tag):
            if value.varies is None or loop in value.varies:
                return False
        return loop.kind != "comprehension" and not runs_once(loop) and not self._restarts(loop)

    @property
    def stands_still(self) -> bool:
        """Whether all passes of the loop that logs land on one step."""
        loop = self.event.loops[-1]
        step = self.step.value if self.step is not None else Value()
        if isinstance(step, Const) and step.value is None:
            return False
        if step.varies is None or loop in step.varies:
            return False
        return self.one_curve(loop) and self.recurs(loop)

    def _restarts(self, loop: Loop) -> bool:
        """Whether a loop's passes each begin a run of their own."""
        return any(
            event.callee in _NEW_RUN and loop in event.loops
            for event in self.trace.events
            if event.kind in ("opaque", "enter")
        )

    def recurs(self, loop: Loop) -> bool:
        """Whether many passes of a loop log it: no test singles one out."""
        depth = self.event.loops.index(loop)
        return all(_lets_many_through(one, loop, depth) for one in self.event.conditions)


def logged(script: Script) -> Iterator[Logged]:
    """All that is logged to a known place, in loops."""
    for trace in script.traces:
        for event in trace.events:
            if event.loops and not event.starred:
                one = _of_writer(trace, event) or _of_call(trace, event)
                if one is not None:
                    yield one


def _of_writer(trace: Trace, event: Event) -> Logged | None:
    writer = event.receiver
    tag = event.argument(0, "tag") or event.argument(0, "main_tag")
    if event.kind != "log" or event.callee not in _STEP or tag is None:
        return None
    if not isinstance(writer, Obj) or writer.kind != "writer":
        return None
    step = event.argument(_STEP[event.callee], "global_step")
    return Logged(trace, event, "writer", writer, tag.value, step)


def _of_call(trace: Trace, event: Event) -> Logged | None:
    """`wandb.log({…}, step=…)`, its keys written out; `mlflow.log_metric(key, value, step)`."""
    given = event.argument(0, "data")
    if event.callee == "wandb.log" and given is not None and _has_plain_keys(given.site.node):
        step = event.argument(1, "step")
        return Logged(trace, event, "wandb", Const(STILL), Const(STILL), step)
    key = event.argument(0, "key")
    if event.callee == "mlflow.log_metric" and key is not None:
        step = event.argument(2, "step")
        return Logged(trace, event, "mlflow", Const(STILL), key.value, step)
    return None


def _has_plain_keys(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Dict) and all(
        isinstance(item, cst.DictElement) and string_of(item.key) is not None
        for item in node.elements
    )


def _lets_many_through(condition: Condition, loop: Loop, depth: int) -> bool:
    """Whether a condition holds for many passes of the loop at that depth, or for none."""
    if condition.depth <= depth:
        return True  # decided outside the loop
    varies = condition.value.varies
    if varies is not None and loop not in varies:
        return True
    return condition.periodic and not condition.leaves
