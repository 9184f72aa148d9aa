"""TRN719."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.known import LOSS_FUNCTIONS
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Choice, Const, Expr, Obj, Ref, Value
from trainlint.lint.mentions import walk
from trainlint.lint.model import Condition, Event, Script
from trainlint.lint.neighbours import may_be_set_elsewhere
from trainlint.lint.rule import found, rule

_BELOW, _ABOVE = ("LessThan", "LessThanEqual"), ("GreaterThan", "GreaterThanEqual")
_INFINITE = ("math.inf", "torch.inf", "numpy.inf", "numpy.Inf", "numpy.Infinity")
# Losses that are never below zero, whatever they are handed.
_NEVER_NEGATIVE = frozenset({"CrossEntropyLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss",
                             "BCELoss", "BCEWithLogitsLoss"})  # fmt: skip
# What keeps a number from falling below zero.
_KEEPS_SIGN = frozenset({"item", "detach", "mean", "sum", "cpu", "float", "clone", "numpy"})


@rule("TRN719", Severity.ERROR, needs=(b"best", b"min", b"max"))
def best_never_beaten(script: Script) -> Iterator[Finding]:
    """The best result so far starts at a value that no result can beat.

    A lowest loss that starts at 0, or a highest accuracy that starts at infinity, is never beaten:
    the model is never saved as the best one, or the training is stopped as soon as patience ends.

    Found where the start is a constant, only the test's own body changes it, and no number can
    pass the test. Of 0 this is said only of losses that are known not to be negative.

    Bad:
        import torch
        from torch import nn

        model, criterion, best_loss = nn.Linear(4, 1), nn.MSELoss(), 0.0
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = criterion(model(torch.randn(8, 4)), torch.randn(8, 1))
            loss.backward()
            optimizer.step()
            if loss.item() < best_loss:  # TRN719
                best_loss = loss.item()
                torch.save(model.state_dict(), "best.pt")
    Good:
        import torch
        from torch import nn

        model, criterion, best_loss = nn.Linear(4, 1), nn.MSELoss(), float("inf")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = criterion(model(torch.randn(8, 4)), torch.randn(8, 1))
            loss.backward()
            optimizer.step()
            if loss.item() < best_loss:
                best_loss = loss.item()
                torch.save(model.state_dict(), "best.pt")

    Source: the formulas in the documentation of torch.nn.MSELoss and the other losses.
    """
    losses = {id(event.result) for event in script.events("loss") if _is_never_negative(event)}
    seen: set[cst.CSTNode] = set()
    for event in script.events("save", "state", "call", "opaque", "method"):
        for condition in event.conditions:
            node = condition.site.node
            if node in seen or not condition.taken or condition.site.script is not script:
                continue
            seen.add(node)
            best = _compared(condition, losses)
            if best is not None and _is_set_only_there(script, event, condition, best):
                yield _finding(condition, best)


@dataclass(frozen=True)
class _Best:
    """A best result so far: its name, what it starts at, and what the test asks of a new one."""

    name: str
    start: float
    lower: bool


def _is_never_negative(event: Event) -> bool:
    made = event.receiver
    name = made.qualname if isinstance(made, Obj) and made.cls is None else ""
    name = name or LOSS_FUNCTIONS.get(event.callee, "")
    return name.rpartition(".")[2] in _NEVER_NEGATIVE


def _compared(condition: Condition, losses: set[int]) -> _Best | None:
    """The best result that a test compares with, if no result passes the test."""
    test, node = condition.value, condition.site.node
    if not isinstance(test, Expr) or not isinstance(node, cst.Comparison) or len(test.parts) != 2:
        return None
    if test.op not in _BELOW + _ABOVE:
        return None
    sides = (node.left, node.comparisons[0].comparator)
    for index in (0, 1):
        best, other = test.parts[index], test.parts[1 - index]
        lower = (test.op in _BELOW) == (index == 1)
        name, start = dotted(sides[index]), _start(best)
        if name is None or start is None:
            continue
        at_zero = start <= 0 and lower and test.op in ("LessThan", "GreaterThan")
        beyond = math.isinf(start) and (start < 0) == lower
        if beyond or (at_zero and _cannot_be_negative(other, losses)):
            return _Best(name, start, lower)
    return None


def _start(best: Value) -> float | None:
    """The number at which a variable starts that a loop changes."""
    if isinstance(best, Expr) and best.op in ("carried", "shared") and best.parts:
        inner = best.parts[0]
        return _number(inner) if best.op == "carried" else _start(inner)
    return None


def _number(value: Value) -> float | None:
    if isinstance(value, Ref):
        return math.inf if value.name in _INFINITE else None
    if isinstance(value, Const):
        plain = isinstance(value.value, (int, float)) and not isinstance(value.value, bool)
        return float(value.value) if plain else None  # type: ignore[arg-type]
    if isinstance(value, Expr) and value.op == "minus":
        inner = _number(value.parts[0])
        return None if inner is None else -inner
    if isinstance(value, Expr) and value.op == "builtins.float" and len(value.parts) == 1:
        text = value.parts[0].value if isinstance(value.parts[0], Const) else None
        known = ("inf", "infinity", "+inf", "-inf", "-infinity")
        return float(text) if isinstance(text, str) and text.lower() in known else None
    return None


def _cannot_be_negative(value: Value, losses: set[int], depth: int = 0) -> bool:
    """Whether a number is a loss of a known kind, or a sum or mean of such."""
    if id(value) in losses:
        return True
    if depth > 12:
        return False
    if isinstance(value, Const):
        start = _number(value)
        return start is not None and start >= 0
    if isinstance(value, Obj) and value.kind == "output" and value.args:
        same = value.qualname.rpartition(".")[2] in _KEEPS_SIGN
        return same and _cannot_be_negative(value.args[0], losses, depth + 1)
    parts: tuple[Value, ...] = ()
    if isinstance(value, Choice):
        parts = value.options
    elif isinstance(value, Expr) and value.op == "builtins.len":
        return True
    elif isinstance(value, Expr) and value.op in ("+", "*", "/", "carried", "builtins.float"):
        parts = value.parts
    return bool(parts) and all(_cannot_be_negative(one, losses, depth + 1) for one in parts)


def _is_set_only_there(script: Script, event: Event, condition: Condition, best: _Best) -> bool:
    """Whether only the test's own body, and one line outside it, set the best result."""
    attribute = "." in best.name
    home = event.functions[-1] if event.functions and not attribute else script.module
    if condition.body is None or not any(one is condition.site.node for one in walk(home)):
        return False
    inside = {id(one) for one in walk(condition.body)}
    places = [one for one in walk(home) if _sets(one, best.name)]
    outside = [one for one in places if id(one) not in inside]
    if len(outside) > 1 or len(outside) == len(places):
        return False
    if attribute:
        names = {cls.name for cls in script.classes}
        return not may_be_set_elsewhere(script, names, best.name.rpartition(".")[2])
    return not any(best.name in scope.outer for scope in script.names.scopes)


def _sets(node: cst.CSTNode, name: str) -> bool:
    """Whether a statement binds a name, or an attribute of that name."""
    last = name.rpartition(".")[2]
    targets: list[cst.CSTNode] = []
    if isinstance(node, cst.Assign):
        targets = [target.target for target in node.targets]
    elif isinstance(node, (cst.AnnAssign, cst.AugAssign, cst.For, cst.NamedExpr)):
        targets = [node.target]
    return any(
        (dotted(one) or "").rpartition(".")[2] == last for target in targets for one in walk(target)
    )


def _finding(condition: Condition, best: _Best) -> Finding:
    side = "below" if best.lower else "above"
    start = f"{best.start:g}"
    return found(
        condition.site,
        f"`{best.name}` starts at {start}, and no result is {side} that: the test never holds",
        hint=f'start at `float("{"inf" if best.lower else "-inf"}")`',
    )
