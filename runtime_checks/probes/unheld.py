"""Parameters that get gradients while no optimizer that steps holds them."""

from __future__ import annotations

from trainlint.runtime_checks.record import Unheld
from trainlint.runtime_checks.state import ModelState, State

# An optimizer that steps only now and then has had its turn by then.
_STEPS = 20


class UnheldParameters:
    """Counts, per parameter, the steps on end over which it had a gradient and no holder."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._counts: dict[tuple[int, str], int] = {}
        self._told: dict[int, tuple[int, int]] = {}

    def look(self) -> None:
        """After each step."""
        held = self._held()
        for model in self._state.roots():
            names = self._counted(model, held)
            if names:
                self._tell(model.id, names)

    def _held(self) -> set[int]:
        return {
            id(parameter)
            for optimizer, state in self._state.optimizers.items()
            if state.own
            for group in optimizer.param_groups
            for parameter in group["params"]
        }

    def _counted(self, model: ModelState, held: set[int]) -> list[str]:
        """Names of those that have been so for long enough."""
        found = []
        for name, parameter in model.live():
            if id(parameter) in held:
                continue
            key = (model.id, name)
            lacks = parameter.requires_grad and parameter.grad is not None
            self._counts[key] = self._counts.get(key, 0) + 1 if lacks else 0
            if self._counts[key] >= _STEPS:
                found.append(name)
        return found

    def _tell(self, model: int, names: list[str]) -> None:
        """Write it when it becomes so, and again when the names change or the steps double."""
        steps = min(self._counts[model, name] for name in names)
        count, last = self._told.get(model, (0, 0))
        if count != len(names) or steps >= 2 * last:
            self._told[model] = (len(names), steps)
            self._state.session.emit(Unheld(self._state.session.step, model, names, steps))


def install(state: State) -> None:
    """Look after every step."""
    unheld = UnheldParameters(state)
    state.session.after_step.append(unheld.look)
