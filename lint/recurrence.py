"""State that a loop carries from pass to pass, together with the graph that it was computed by.

Everything here is asked of *all* paths: a value counts as connected only if a gradient surely flows
through it, whichever way was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import libcst as cst

from trainlint.lint.autograd import is_plain_layer
from trainlint.lint.graph import inputs, reached
from trainlint.lint.leaving import caught, leaves_after
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.known import LOSS_FUNCTIONS
from trainlint.lint.lower.values import (
    Carry,
    Choice,
    Const,
    Expr,
    Frame,
    Obj,
    Value,
    options_of,
)
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.modes import NO_GRAD
from trainlint.lint.passes import runs_once
from trainlint.lint.training import is_optimizer

# Operations through which a gradient flows to all tensors that they are given.
_FLOWS = frozenset(
    """
    to cuda cpu contiguous view view_as reshape clone squeeze unsqueeze transpose permute t cat
    stack mean sum relu tanh sigmoid softmax log_softmax leaky_relu elu gelu dropout mul add sub div
    matmul mm bmm square pow abs sqrt exp log float double half expand repeat flatten split chunk
    narrow select scale
""".split()
)
_ARITHMETIC = frozenset({"+", "-", "*", "/", "**", "minus", "plus"})


@dataclass(frozen=True, eq=False)
class Carried:
    """A state that is carried on with its graph, and the backward that frees this graph."""

    loop: Loop
    carry: Carry
    backward: Event
    retained: bool  # the graph is kept, but the weights in it have changed by the next backward


def carried_with_graph(script: Script) -> Iterator[Carried]:
    """The states that loops carry on with graphs that a backward goes through in each pass."""
    if any(_sets_requires_grad(event) for event in script.events("set_attribute", "method")):
        return
    for trace in script.traces:
        for event in trace.events:
            if event.kind == "backward":
                yield from _of_backward(script, trace, event)


def _sets_requires_grad(event: Event) -> bool:
    return event.callee in ("requires_grad", "requires_grad_")


def _of_backward(script: Script, trace: Trace, backward: Event) -> Iterator[Carried]:
    retained = _retains(backward)
    for depth, loop in enumerate(backward.loops):
        for carry in loop.carries:
            if not _is_connected(trace, backward, carry) or _may_be_cut(trace, loop, carry):
                continue
            if caught(backward) or not _runs_each_pass(backward, loop, depth):
                continue
            if not retained or _steps(script, trace, backward):
                yield Carried(loop, carry, backward, retained)


def _retains(backward: Event) -> bool:
    given = backward.argument(1, "retain_graph")
    more = backward.argument(2, "create_graph")
    plain = all(
        one is None or (isinstance(one.value, Const) and not one.value.value)
        for one in (given, more)
    )
    return not plain or backward.starred


def _steps(script: Script, trace: Trace, backward: Event) -> bool:
    """Whether the only optimizer of the script surely steps after a backward, in the same pass."""
    made = {e.result for e in script.events("make") if is_optimizer(e.result)}
    steps = [event for event in trace.events if event.kind == "step"]
    same = [e for e in steps if e.loops == backward.loops and e.conditions == backward.conditions]
    return len(made) == 1 and any(step.receiver in made for step in same)


def _runs_each_pass(backward: Event, loop: Loop, depth: int) -> bool:
    """Whether it runs in every pass of a loop that has more than one."""
    if runs_once(loop) or leaves_after(loop, backward):
        return False
    inside = [one for one in backward.conditions if one.depth > depth]
    return all(one.value.varies is not None and loop not in one.value.varies for one in inside)


def _may_be_cut(trace: Trace, loop: Loop, carry: Carry) -> bool:
    """Whether something that is not seen may cut it: it is cut in place, or handed over by name."""
    name = str(carry.name)
    for event in trace.events:
        if loop not in event.loops:
            continue
        if event.callee in ("detach_", "set_", "reset", "reset_state"):
            return True
        if event.kind == "opaque" and any(_is_named(a.text, name) for a in event.args):
            return True
        if event.kind == "opaque" and not isinstance(carry.owner, Frame):
            handed = [event.receiver, *(arg.value for arg in event.args)]
            if any(option is carry.owner for one in handed for option in options_of(one)):
                return True
    return False


def _is_named(text: str, name: str) -> bool:
    return name in text.replace("[", ".").replace("(", ".").replace("]", "").split(".")


# -- graphs --------------------------------------------------------------------------------------


def _is_connected(trace: Trace, backward: Event, carry: Carry) -> bool:
    """Whether the loss surely comes from the carried value, and both through one layer's call."""
    nones = _only_at_first(trace, carry)
    if not surely(backward.receiver, lambda one: one is carry.value, nones):
        return False
    shared = set(_layer_calls(carry.after)) & set(_layer_calls(backward.receiver))
    return any(
        surely(carry.after, partial(_is_call_at, call), frozenset())
        and surely(backward.receiver, partial(_is_call_at, call), nones)
        and not _without_graph(trace, call)
        for call in shared
    )


def surely(value: Value, wanted: Callable[[Value], bool], ignored: frozenset[Value]) -> bool:
    """Whether a gradient flows from a value to a wanted one on every path.

    Paths to the values in `ignored` are never taken.
    """
    known: dict[int, bool] = {}

    def reaches(one: Value) -> bool:
        if id(one) not in known:
            known[id(one)] = False  # a cycle leads nowhere
            known[id(one)] = wanted(one) or _leads_on(one)
        return known[id(one)]

    def _leads_on(one: Value) -> bool:
        if isinstance(one, Choice):
            options = [option for option in one.options if option not in ignored]
            return bool(options) and all(reaches(option) for option in options)
        return any(reaches(part) for part in _flows(one))

    return reaches(value)


def _flows(value: Value) -> tuple[Value, ...]:
    """What a gradient at a value surely flows on to."""
    if isinstance(value, Expr):
        if value.op == "[]":
            return value.parts[:1]
        return value.parts if value.op in _ARITHMETIC else ()
    if not isinstance(value, Obj):
        return inputs(value)
    if value.kind != "output" or value.changed:
        return ()
    if value.qualname in LOSS_FUNCTIONS:
        return value.args[:1]
    if value.qualname:
        return value.args if value.qualname.rpartition(".")[2] in _FLOWS else ()
    return _through_module(value)


def _through_module(value: Obj) -> tuple[Value, ...]:
    module = unwrapped(value.args[0]) if value.args else None
    if not isinstance(module, Obj) or "forward" in module.layers:
        return ()
    if module.kind == "loss":
        return value.args[1:2] if module.cls is None else ()
    if module.cls is None:
        return value.args[1:]
    # A `forward` is followed at its first call, which may have been given other values.
    return (value.returned,) if value.returned is not None else ()


def _layer_calls(value: Value) -> Iterator[cst.CSTNode]:
    """Where layers with weights are called on the way to a value."""
    for one in reached((value,), _flows):
        if isinstance(one, Obj) and one.site is not None and _is_layer_call(one):
            yield one.site.node


def _is_layer_call(value: Obj) -> bool:
    if value.kind != "output" or value.qualname or not value.args:
        return False
    module = unwrapped(value.args[0])
    if not isinstance(module, Obj) or module.kind != "module" or module.cls is not None:
        return False
    return module.qualname.startswith("torch.nn.") and not is_plain_layer(module)


def _is_call_at(node: cst.CSTNode, value: Value) -> bool:
    return (
        isinstance(value, Obj)
        and value.site is not None
        and value.site.node is node
        and _is_layer_call(value)
    )


def _without_graph(trace: Trace, call: cst.CSTNode) -> bool:
    """Whether a layer's call, or one of them, is made under `no_grad`."""
    return any(
        event.site.node is call and event.within(*NO_GRAD, "torch.set_grad_enabled") is not None
        for event in trace.events
    )


def _only_at_first(trace: Trace, carry: Carry) -> frozenset[Value]:
    """What is made where the carried value is None: in later passes, it is not."""
    found: set[Value] = set()
    for event in trace.events:
        if event.kind in ("call", "method") and event.conditions:
            last = event.conditions[-1]
            if _is_none_test(last.value, last.taken, carry.value):
                found.add(event.result)
    return frozenset(found)


def _is_none_test(test: Value, taken: bool, value: Value) -> bool:
    if not isinstance(test, Expr) or len(test.parts) != 2:
        return False
    left, right = test.parts
    none = isinstance(right, Const) and right.value is None
    return none and left is value and test.op == ("Is" if taken else "IsNot")
