"""What modules are made of: everything that may hold parameters of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from trainlint.lint.graph import inputs, reached
from trainlint.lint.lower.values import Bound, Obj, Value
from trainlint.lint.model import Script

# What holds the modules that it is given: containers, wrappers, stacks of layers.
_HOLDERS = re.compile(
    r"Sequential$|Module(List|Dict)$|Parallel$|\.Transformer\w*$|^torch\.(?!nn\.)"
)
_PARAMETRIC = ("module", "parameters", "loss")


def parts_of(script: Script, modules: Iterable[Value]) -> set[Value] | None:
    """Modules, and all modules and parameters that can be reached from them.

    None where something was put into one in place, where one was not made here, or where one holds
    something that is not known.
    """
    made = {event.result for event in script.events("make") if not event.starred}
    found: set[Value] = set()
    for one in reach_of(script, modules):
        if isinstance(one, Obj) and one.kind in _PARAMETRIC:
            if one not in made or one.changed or _holds_unknown(one):
                return None
            found.add(one)
    return found


def reach_of(script: Script, modules: Iterable[Value]) -> set[Value]:
    """Modules, and all that can be reached from them: what each was made of, what is set on it."""
    held = _attributes(script)
    return set(reached(modules, lambda one: (*held.get(one, ()), *_inside(one))))


@lru_cache(maxsize=2)
def _attributes(script: Script) -> dict[Value, list[Value]]:
    """What is set on each object, by whatever name."""
    held: dict[Value, list[Value]] = {}
    for event in script.events("set_attribute"):
        held.setdefault(event.receiver, []).append(event.result)
    return held


def _holds_unknown(module: Obj) -> bool:
    """Whether a container or wrapper of torch's was given nothing yet, or what is not known."""
    given = (*module.args, *module.kwargs.values())
    if module.cls is not None or not _HOLDERS.search(module.qualname):
        return False
    return not given or any(type(one) is Value for one in given)


def _inside(value: Value) -> tuple[Value, ...]:
    if isinstance(value, Obj):
        return (*value.args, *value.kwargs.values(), *value.layers.values())
    return (value.receiver,) if isinstance(value, Bound) else inputs(value)
