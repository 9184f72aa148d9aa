"""Weights that were to stay, or to take part, and do not: frozen ones that move, unused ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.probes.movement import sample
from trainlint.runtime_checks.record import FrozenMoved, Idle, NotFrozen
from trainlint.runtime_checks.state import ModelState, State

# What people write for `requires_grad`; Python takes any attribute.
_MISSPELT = ("require_grad", "requires_grads", "require_grads", "required_grad", "required_grads")
# The steps after which attributes are looked at: a script may freeze late.
_WHEN = (3, 20)


class Freezing:
    """Looks at what an optimizer holds besides that which it trains."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._copies: list[tuple[Any, Any, Any]] = []
        self._steps: dict[tuple[int, str], int] = {}
        self._used: IdentityMap[bool] = IdentityMap()
        self._looks: dict[int, int] = {}
        self._told: set[tuple[int, str]] = set()

    def before(self, optimizer: Any) -> None:
        """Copy what is frozen, and note what has a gradient."""
        self._copies = []
        if not self._state.window.is_open:
            return
        frozen = []
        for parameter in gradients.held(optimizer):
            if parameter.grad is None:
                continue
            if not parameter.requires_grad:
                frozen.append(parameter)
            elif parameter not in self._used:
                self._used[parameter] = True
        # One that trains nothing else is handed its gradients by the script itself.
        if frozen and any(parameter in self._used for parameter in gradients.trainable(optimizer)):
            self._copies = [(p, sample(p), sample(p.grad)) for p in frozen if not p.is_sparse]

    def after(self, optimizer: Any) -> None:
        """Which of them moved; at times, which parameters never had a gradient."""
        copies, self._copies = self._copies, []
        if not self._state.window.is_open:
            return
        if copies:
            self._compare(optimizer, copies)
        number = self._state.optimizer(optimizer).id
        count = self._looks[number] = self._looks.get(number, 0) + 1
        if count >= 16 and count & (count - 1) == 0:
            self._tell_idle(optimizer, number)

    def _compare(self, optimizer: Any, copies: list[tuple[Any, Any, Any]]) -> None:
        with torch.no_grad():
            moved = [sample(p) - copy for p, copy, _ in copies]
        changes = self._state.readings.read(gradients.norms(moved))
        grads = self._state.readings.read(gradients.norms([grad for _, _, grad in copies]))
        number, step = self._state.optimizer(optimizer).id, self._state.session.step
        names = [_name(self._state, parameter) for parameter, _, _ in copies]

        def write() -> None:
            for how, of in (("gradient", True), ("state", False)):
                rows = zip(names, changes.values, grads.values, strict=True)
                found = [name for name, change, grad in rows if change > 0 and (grad > 0) is of]
                if found:
                    self._tell_moved(step, number, found, how)

        self._state.readings.after(self._state.session.guarded(write))

    def _tell_moved(self, step: int, optimizer: int, names: list[str], how: str) -> None:
        count = self._steps[optimizer, how] = self._steps.get((optimizer, how), 0) + 1
        if count & (count - 1) == 0:
            self._state.session.emit(FrozenMoved(step, optimizer, names[:10], how, count))

    def _tell_idle(self, optimizer: Any, number: int) -> None:
        trainable = gradients.trainable(optimizer)
        idle = [_name(self._state, one) for one in trainable if one not in self._used]
        line = Idle(self._state.session.step, number, idle, self._looks[number])
        self._state.session.emit(line)

    def look(self) -> None:
        """After a step: attributes that were meant to freeze something."""
        if self._state.session.step in _WHEN:
            for model in self._state.roots():
                for line in self._not_frozen(model):
                    self._state.session.emit(line)

    def _not_frozen(self, model: ModelState) -> Iterator[NotFrozen]:
        module, step = model.module(), self._state.session.step
        for name, part in module.named_modules() if module is not None else ():
            own = [(one, p) for one, p in part.named_parameters() if p in self._used]
            prefix = f"{name}." if name else ""
            site = self._state.sites.get(part)
            if own and vars(part).get("requires_grad") is False:
                names = [prefix + one for one, _ in own]
                yield NotFrozen(step, model.id, "requires_grad", name, site, names)
            for attribute in _MISSPELT:
                names = [
                    prefix + one
                    for one, p in own
                    if "." not in one and vars(p).get(attribute) is False
                ]
                if names:
                    yield NotFrozen(step, model.id, attribute, names[0], site, names)

    def finish(self) -> None:
        """At the end: what never had a gradient."""
        for optimizer, known in self._state.optimizers.items():
            if self._looks.get(known.id):
                self._tell_idle(optimizer, known.id)


def install(state: State) -> None:
    """Look at the steps that an open window shows."""
    freezing = Freezing(state)
    state.before_update.append(state.session.guarded(freezing.before))
    state.after_update.append(state.session.guarded(freezing.after))
    state.session.after_step.append(state.session.guarded(freezing.look))
    state.session.at_end.append(state.session.guarded(freezing.finish))


def _name(state: State, parameter: Any) -> str:
    owner = state.names.get(parameter)
    return owner[1] if owner is not None else "?"
