"""Parameters that get gradients while no optimizer that steps holds them."""

from __future__ import annotations

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.probes.fingerprint import Fingerprint, take_fingerprint
from trainlint.runtime_checks.probes.freshness import is_fresh
from trainlint.runtime_checks.probes.loose import LooseParameters
from trainlint.runtime_checks.record import Moved, Unheld
from trainlint.runtime_checks.state import ModelState, State

# An optimizer that steps only now and then has had its turn by then.
_STEPS = 20


class UnheldParameters:
    """Counts, per parameter, the steps since it has had a gradient and no holder.

    One that moves all the same is left out: the script has an update rule of its own.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        # The first step after which it was so.
        self._since: dict[tuple[int, str], int] = {}
        self._told: dict[int, tuple[int, int]] = {}
        self._prints: dict[tuple[int, str], Fingerprint | None] = {}
        self._moved: set[tuple[int, str]] = set()

    def look(self) -> None:
        """After a step before one that is looked at closely."""
        held = self._held()
        for model in (*self._state.roots(), *self._state.loose):
            names = self._counted(model, held)
            if names:
                self._tell(model, names)

    def compare(self) -> None:
        """At the end: which of those that were told of have moved since."""
        for model in (*self._state.roots(), *self._state.loose):
            if model.id in self._told:
                self._without_moved(model, [name for name, _ in model.live()])

    def _held(self) -> set[int]:
        return {
            id(parameter)
            for optimizer, state in self._state.optimizers.items()
            if state.own
            for parameter in gradients.held(optimizer)
        }

    def _counted(self, model: ModelState, held: set[int]) -> list[str]:
        """Names of those that have been so for long enough."""
        found = []
        for name, parameter in model.live():
            key = (model.id, name)
            if id(parameter) in held or key in self._moved:
                continue
            lacks = parameter.requires_grad and parameter.grad is not None
            if lacks and key not in self._prints:
                self._prints[key] = take_fingerprint(parameter)
            if not lacks:
                self._since.pop(key, None)
            elif self._steps(key) >= _STEPS:
                found.append(name)
        return found

    def _steps(self, key: tuple[int, str]) -> int:
        """Over how many steps it has been so, from now on if not before."""
        step = self._state.session.step
        return step - self._since.setdefault(key, step) + 1

    def _tell(self, model: ModelState, names: list[str]) -> None:
        """Write it when it becomes so, and again when the names change or the steps double."""
        steps = min(self._steps((model.id, name)) for name in names)
        count, last = self._told.get(model.id, (0, 0))
        if count == len(names) and steps < 2 * last:
            return
        names = self._without_moved(model, names)
        self._told[model.id] = (len(names), steps)
        if names:
            part = self._is_part(model)
            self._state.session.emit(Unheld(self._state.session.step, model.id, names, steps, part))

    def _is_part(self, model: ModelState) -> bool:
        """Whether a model looks like a part of what is trained, and not like a fixed network."""
        module = model.module()
        if module is None or model.repeated or model.rested or not model.fed:
            return False
        given = [p for one, _ in self._state.optimizers.items() for p in gradients.held(one)]
        known = {id(parameter) for parameter in given}
        return is_fresh(self._state, module) and not any(id(p) in known for _, p in model.live())

    def _without_moved(self, model: ModelState, names: list[str]) -> list[str]:
        """Those that stay where they are; the others are told of."""
        parameters = dict(model.live())
        moved = [name for name in names if self._has_moved((model.id, name), parameters[name])]
        if moved:
            self._moved.update((model.id, name) for name in moved)
            self._state.session.emit(Moved(self._state.session.step, model.id, moved))
        return [name for name in names if name not in moved]

    def _has_moved(self, key: tuple[int, str], parameter: object) -> bool:
        known = self._prints.get(key)
        return key not in self._moved and known is not None and known.has_moved(parameter)


def install(state: State) -> None:
    """Look after every step."""
    unheld = UnheldParameters(state)
    after_step = state.session.after_step
    state.window.watch(
        lambda: after_step.append(unheld.look), lambda: after_step.remove(unheld.look)
    )
    state.session.at_end.append(unheld.compare)
    LooseParameters(state).install()
