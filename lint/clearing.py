"""Clearing gradients: what does, what may, and whose gradients an optimizer holds."""

from __future__ import annotations

from collections.abc import Iterable

from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Choice, Expr, Map, Obj, Seq, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.own_parts import reach_of
from trainlint.lint.passes import pass_of
from trainlint.lint.training import Update, escaped, held_by, modules_of

_ZEROES = ("zero_", "fill_")
# Hooks by which something may happen at each step, or as soon as a gradient is there.
_HOOKS = ("post_accumulate", "step_p")


class Clearing:
    """What clears the gradients that one update's optimizer holds."""

    def __init__(self, script: Script, update: Update) -> None:
        self.script = script
        self.update = update
        self.optimizer = update.optimizer
        self.owners = owners_of(update.optimizer)
        self.computing = pass_of(update.trace, update.backward).computing

    @property
    def unseen(self) -> bool:
        """Whether the gradients may be cleared anywhere, by code that is not seen."""
        if escaped(self.script, self.optimizer) or _given_away(self.script, self.optimizer):
            return True
        return any(
            name in event.callee
            for event in self.script.events("hook", "method", "opaque")
            for name in _HOOKS
        )

    def may_clear(self, event: Event) -> bool:
        """Whether an event clears gradients that the optimizer holds, or could."""
        if event.kind in ("set_grad", "zero_grad"):
            return event.kind == "set_grad" or not self._of_others(event.receiver)
        if event.kind == "set_attribute":
            return event.callee == "_grad" or ".grad" in event.receiver_text
        if event.kind == "step":
            return _closure_is_unseen(event)
        if event.kind == "call":
            return _changes_in_place(event)
        if _writes(event):
            return True
        return event.kind == "opaque" and self._is_handed(event)

    def surely_clears(self, event: Event) -> bool:
        """Whether an event clears all gradients that the optimizer holds."""
        if event.kind != "zero_grad":
            return False
        mine = modules_of(self.optimizer)
        return event.receiver is self.optimizer or (mine is not None and mine == {event.receiver})

    def _is_handed(self, event: Event) -> bool:
        """Whether code that is not seen gets hold of the optimizer, or of what it holds.

        What only computes the loss may see the model.
        """
        handed = [event.receiver, *(arg.value for arg in event.args)]
        if any(held_by(value, self.optimizer) for value in handed):
            return True
        return event not in self.computing and any(self._touches(value) for value in handed)

    def _touches(self, value: Value, depth: int = 0) -> bool:
        """Whether a value leads to the parameters that the optimizer holds."""
        if depth > 4:
            return True
        if self.owners is None:
            unknown = type(value) is Value or (isinstance(value, Obj) and value.kind == "module")
            return unknown or any(self._touches(one, depth + 1) for one in _parts(value))
        if unwrapped(value) in self.owners:
            return True
        return any(self._touches(one, depth + 1) for one in _parts(value))

    def _of_others(self, receiver: Value) -> bool:
        """Whether gradients of other modules' parameters alone are cleared."""
        if receiver is self.optimizer or not isinstance(receiver, Obj):
            return False
        others = {receiver} if receiver.kind == "module" else modules_of(receiver)
        mine = modules_of(self.optimizer)
        if mine is None or others is None:
            return False
        inside, outside = _within(self.script, mine), _within(self.script, others)
        return _ANY not in inside | outside and not inside & outside


def owners_of(optimizer: Value) -> set[Value] | None:
    """What an optimizer's parameters were asked of, whatever it is; None where not all is known."""
    if not isinstance(optimizer, Obj):
        return None
    given = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params")
    return None if given is None else _owners(given)


def _owners(given: Value) -> set[Value] | None:
    if isinstance(given, Obj) and given.kind == "parameters" and not given.qualname and given.args:
        return {unwrapped(given.args[0])}
    if isinstance(given, Obj) and given.qualname in ("builtins.filter", "itertools.chain"):
        return _owners_of_all(arg for arg in given.args if isinstance(arg, Obj))
    if isinstance(given, Map) and "params" in given.items:
        return _owners(given.items["params"])
    if isinstance(given, Seq):
        return _owners_of_all(given.items)
    if isinstance(given, Expr) and given.op in ("+", "builtins.list", "builtins.tuple"):
        return _owners_of_all(given.parts)
    return None


def _owners_of_all(values: Iterable[Value]) -> set[Value] | None:
    found: set[Value] = set()
    for value in values:
        owners = _owners(value)
        if owners is None:
            return None
        found |= owners
    return found or None


def _parts(value: Value) -> tuple[Value, ...]:
    if isinstance(value, Seq):
        return value.items
    if isinstance(value, Map):
        return tuple(value.items.values())
    if isinstance(value, Choice):
        return value.options
    if isinstance(value, Obj) and value.kind == "parameters":
        return value.args
    return ()


def _within(script: Script, modules: Iterable[Value]) -> set[Value]:
    """Modules and all that they may hold; `_ANY` where one was changed in place."""
    found = reach_of(script, modules)
    changed = any(isinstance(one, Obj) and one.changed for one in found)
    return {*found, _ANY} if changed else found


_ANY = Value()  # what a module that was changed in place may hold


def _given_away(script: Script, optimizer: Value) -> bool:
    """Whether something that is not of the script's own keeps the optimizer as an attribute."""
    return any(
        type(event.receiver) is Value and held_by(event.result, optimizer)
        for event in script.events("set_attribute")
    )


def _changes_in_place(event: Event) -> bool:
    """A function that zeroes many tensors at once, or changes a `.grad` in place."""
    if "_foreach_" in event.callee:
        return True
    return event.callee.endswith("_") and any(".grad" in arg.text for arg in event.args)


def _writes(event: Event) -> bool:
    """A method that zeroes a tensor, changes a `.grad` in place, or does anything to a module."""
    if event.kind == "bare":
        return event.callee == "zero_grad"  # named and not called, as another rule tells
    if event.kind not in ("method", "opaque"):
        return False
    if event.callee in _ZEROES or event.callee == "apply":
        return True
    if ".grad" in event.receiver_text and event.callee.endswith("_"):
        return True
    return "zero" in event.callee and "grad" in event.callee


def _closure_is_unseen(event: Event) -> bool:
    """A step that is handed a closure which could not be followed."""
    return bool(event.args) and event.scaler is None and type(event.args[0].value) is Value
