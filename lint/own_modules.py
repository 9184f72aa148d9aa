"""The script's own modules: which class's method a thing happens in."""

from __future__ import annotations

import libcst as cst

from trainlint.lint.lower.values import Bound, Class, Expr, Func, Value
from trainlint.lint.model import Event, Script


def methods_of_modules(script: Script) -> dict[cst.CSTNode, Class]:
    """The methods of the script's own subclasses of `nn.Module`, each with its class."""
    found: dict[cst.CSTNode, Class] = {}
    for cls in script.classes:
        if any(root.startswith("torch.nn.") for root in cls.roots()):
            for member in cls.members.values():
                if isinstance(member, Func) and member.node is not None:
                    found[member.node] = cls
    return found


def method_around(event: Event, methods: dict[cst.CSTNode, Class]) -> cst.FunctionDef | None:
    """The method of a module that an event stands in, directly or in a function it calls.

    None where no module's `forward` is on the way: the script itself may call it when it trains.
    """
    found = [one for one in event.functions if isinstance(one, cst.FunctionDef) and one in methods]
    forward = any(one.name.value == "forward" for one in found)
    return found[-1] if forward else None


def asks_for_mode(event: Event) -> bool:
    """Whether the event depends on the mode: a test before it, or one of its arguments."""
    texts = [condition.site.text for condition in event.conditions]
    texts += [argument.text for argument in event.args]
    if any("train" in text or "eval" in text for text in texts):
        return True
    values = [argument.value for argument in event.args]
    values += [condition.value for condition in event.conditions]
    return any(_is_mode(value) for value in values)


def _is_mode(value: Value, depth: int = 0) -> bool:
    if isinstance(value, Bound):
        return value.name == "training"
    parts = value.parts if isinstance(value, Expr) else getattr(value, "options", ())
    return depth < 6 and any(_is_mode(part, depth + 1) for part in parts)
