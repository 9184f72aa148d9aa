"""Who may get hold of an object: whether all that is ever done to it is seen.

Objects are compared by the place that made them: a class's methods are each followed with an
instance of their own, whose attributes were all made at the same places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import (
    Bound,
    Choice,
    Expr,
    Func,
    Map,
    Obj,
    Partial,
    Seq,
    Value,
    options_of,
)
from trainlint.lint.mentions import walk
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.neighbours import is_imported, is_mentioned_elsewhere

_DEEPEST = 5
# What a receiver of `step` that is not known may be named for a reader to know it by.
_OTHER_STEPPERS = re.compile(r"opt|env|scaler|game|sim|adam|sgd|agent|prof", re.IGNORECASE)


def origin(value: Value) -> object:
    """The place that made an object; the value itself where that is not known."""
    if isinstance(value, Obj) and value.site is not None:
        return value.site.node
    return value


def same_object(one: Value, other: Value) -> bool:
    """Whether two values were made at one place."""
    return one is other or origin(one) is origin(other)


def may_be(value: Value, wanted: Value) -> bool:
    """Whether one of the things that a value may be is another."""
    return any(same_object(option, wanted) for option in options_of(value))


def holds(held: Value, wanted: Value, depth: int = 0) -> bool:
    """Whether a value is another, or has it as an item, part or receiver."""
    if same_object(held, wanted):
        return True
    if depth > _DEEPEST:
        return False
    return any(holds(part, wanted, depth + 1) for part in _parts(held))


def _may_reach(held: Value, wanted: Value) -> bool:
    """Whether unseen code that is handed a value may get hold of another.

    A function may close over anything, and an attribute of an object may be anything.
    """
    for option in options_of(held):
        if isinstance(option, Func):
            return True
        if isinstance(option, Obj) and option.kind == "object" and option.cls is not None:
            return True
    return holds(held, wanted)


def _parts(held: Value) -> Iterable[Value]:
    if isinstance(held, Bound):
        return (held.receiver,)
    if isinstance(held, Seq):
        return held.items
    if isinstance(held, Map):
        return held.items.values()
    if isinstance(held, Choice):
        return held.options
    if isinstance(held, Partial):
        return (held.function, *(arg.value for arg in held.arguments))
    if isinstance(held, Expr):
        return held.parts
    return held.args if isinstance(held, Obj) and held.kind == "object" else ()


def is_private(script: Script, made: Event) -> bool:
    """Whether only code that is seen here can get hold of what an event makes.

    Not if it is handed to unseen code, returned to a caller that is not seen, put into a container
    or into an object that other files may use, made by a comprehension, or made as a variable of a
    module that others import.
    """
    value = made.result
    own = _called_here(script)
    if any(loop.kind == "comprehension" for loop in made.loops):
        return False
    for trace in script.traces:
        returns = trace.root not in own
        if any(_lets_out(script, e, trace, value, returns) for e in trace.events):
            return False
    return bool(made.functions) or not is_imported(script)


def _called_here(script: Script) -> set[cst.CSTNode]:
    """The functions that the script calls, where no other file is likely to.

    They were followed for themselves too, with arguments of which nothing is known.
    """
    if is_imported(script):
        return set()
    called: set[cst.CSTNode] = set()
    for trace in script.traces:
        for event in trace.events:
            called.update(event.functions[len(event.functions) - len(event.path) :])
    return called


def _lets_out(script: Script, event: Event, trace: Trace, value: Value, returns: bool) -> bool:
    if event.kind == "opaque":
        return any(_may_reach(arg.value, value) for arg in event.args)
    if event.kind == "return":
        last = event.functions[-1] if event.functions else None
        return returns and last is trace.root and holds(event.result, value)
    if event.kind == "set_item":
        return holds(event.result, value)
    if event.kind == "method" and isinstance(event.receiver, (Seq, Map, Expr)):
        return any(holds(arg.value, value) for arg in event.args)
    if event.kind == "set_attribute" and holds(event.result, value):
        return not _keeps_to_itself(script, event)
    return False


def _keeps_to_itself(script: Script, event: Event) -> bool:
    """Whether an attribute is one of an object of the script's own that no other file names."""
    owner = event.receiver
    if not isinstance(owner, Obj) or owner.cls is None:
        return False
    classes = owner.cls.mro()
    if any(root == "?" or not known.is_inert(root) for root in owner.cls.roots()):
        return False
    names = {cls.name for cls in classes}
    return not is_mentioned_elsewhere(script, names, event.callee)


_STEPPING = ("step", "schedule", "method", "opaque", "bare")


def steps_unseen(script: Script, value: Value) -> bool:
    """Whether `.step` may be called on a value where the flow does not show it.

    So it is where `.step` stands in code that was not followed, where it is taken without being
    called, or where its receiver is not known and no name says that it is something else.
    """
    seen: set[cst.CSTNode] = set()
    own = _called_here(script)
    for trace in script.traces:
        for event in trace.events:
            if event.callee != "step" or event.kind not in _STEPPING:
                continue
            node = event.site.node
            seen.add(node.func if isinstance(node, cst.Call) else node)
            if may_be(event.receiver, value):  # a bare one is told of as such
                return True
            if not _is_told(event) and (event.path or trace.root not in own):
                return True
    return any(
        isinstance(node, cst.Attribute)
        and node.attr.value == "step"
        and node not in seen
        and not _is_new_object(node.value)
        for node in walk(script.module)
    )


def _is_new_object(node: cst.CSTNode) -> bool:
    """`Schedule(3)`: an instance that is made on the spot, by its class's name."""
    name = dotted(node.func) if isinstance(node, cst.Call) else None
    return name is not None and name.rpartition(".")[2][:1].isupper()


def _is_told(event: Event) -> bool:
    """Whether the receiver of a `step` is known, or named as something other than a scheduler."""
    if all(isinstance(option, Obj) for option in options_of(event.receiver)):
        return True
    return _OTHER_STEPPERS.search(event.receiver_text) is not None
