"""What optimizers are made of: whose parameters they hold, and who else may get hold of a thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from trainlint.lint.graph import reached
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Bound, Const, Expr, Map, Obj, Seq, Value, options_of
from trainlint.lint.model import Event, Script


def is_torch_optimizer(value: Value, *names: str) -> bool:
    """Whether a value is one of torch's own optimizers (of these names)."""
    if not isinstance(value, Obj) or value.kind != "optimizer" or value.cls is not None:
        return False
    return not names or value.qualname in {f"torch.optim.{name}" for name in names}


def made_optimizers(script: Script) -> Iterator[Event]:
    """The makings of torch's own optimizers in this file."""
    for event in script.events("make"):
        if is_torch_optimizer(event.result) and event.site.script is script:
            yield event


def sure_events(
    script: Script, kind: str, holds: Callable[[Event], bool], *also: str
) -> Iterator[Event]:
    """One event per place at which `holds` is true of all that may happen there.

    A function that is called here, and was also followed for itself, counts as it is called.
    """
    places: dict[cst.CSTNode, list[Event]] = {}
    for event in script.events(kind, *also):
        places.setdefault(event.site.node, []).append(event)
    for found in places.values():
        events = [event for event in found if event.path or type(event.receiver) is not Value]
        if events and all(event.kind == kind and holds(event) for event in events):
            yield events[0]


def number(value: Value | None) -> float | None:
    """A constant number, else None."""
    known = value.value if isinstance(value, Const) else None
    if isinstance(known, bool) or not isinstance(known, (int, float)):
        return None
    return float(known)


def given(made: Obj, position: int, keyword: str) -> Value | None:
    """What an object was made with: by keyword, or at a position."""
    if keyword in made.kwargs:
        return made.kwargs[keyword]
    return made.args[position] if len(made.args) > position else None


# -- parameters ----------------------------------------------------------------------------------


def parameter_parts(value: Value | None) -> Iterator[tuple[Value, Value]]:
    """The modules whose whole parameters a value holds, each with the value that gave them.

    Lists, groups, sums and chains are looked into; what cannot be told is left out.
    """
    if isinstance(value, Obj) and value.kind == "parameters" and not value.qualname:
        if value.args and not _is_restricted(value):
            yield unwrapped(value.args[0]), value
    elif isinstance(value, Seq):
        for item in value.items:
            yield from parameter_parts(item)
    elif isinstance(value, Map) and "params" in value.items:
        yield from parameter_parts(value.items["params"])
    elif isinstance(value, Expr) and value.op in ("+", "builtins.list", "builtins.tuple"):
        for part in value.parts:
            yield from parameter_parts(part)
    elif isinstance(value, Obj) and value.qualname == "itertools.chain":
        for part in value.args:
            yield from parameter_parts(part)


def _is_restricted(value: Obj) -> bool:
    """`model.parameters(recurse=False)`."""
    node = value.site.node if value.site is not None else None
    return isinstance(node, cst.Call) and bool(node.args)


def holders(module: Value, children: dict[Value, set[Value]]) -> set[Value]:
    """A module and all those that it is surely a part of."""

    def outward(one: Value) -> Iterator[Value]:
        yield from children.get(one, ())
        outer = owner_of(one)
        if outer is not None:
            yield outer

    return set(reached((module,), outward))


def owner_of(value: Value) -> Value | None:
    """`model` of `model.layer4` and of `model[6]`, where nothing has set it."""
    if isinstance(value, Bound) and value.function is None:
        return value.receiver
    if isinstance(value, Expr) and value.op == "[]":
        return value.parts[0]
    return None


def parents_of(script: Script) -> dict[Value, set[Value]]:
    """The modules by whose attribute each module is held, as far as attributes are set once."""
    found: dict[Value, set[Value]] = {}
    last: dict[tuple[Value, str], set[Value]] = {}
    for event in script.events("set_attribute"):
        last.setdefault((event.receiver, event.callee), set()).update(options_of(event.result))
    for (owner, _), held in last.items():
        if len(held) == 1 and _is_module(owner) and all(_is_module(one) for one in held):
            found.setdefault(next(iter(held)), set()).add(owner)
    return found


def _is_module(value: Value) -> bool:
    return isinstance(value, Obj) and value.kind == "module"


def is_zoo_module(value: Value) -> bool:
    """Whether a value is a ready-made model of torchvision's."""
    return isinstance(value, Obj) and value.qualname.startswith("torchvision.models.")
