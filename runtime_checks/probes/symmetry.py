"""Layers whose units are all alike, from the start and for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.record import Uniform
from trainlint.runtime_checks.state import State

# Rows and columns that are compared.
_SIZE = 64
# Sums are rounded differently in each row.
_ALIKE = 1e-4


@dataclass
class _Suspect:
    """A weight whose rows were equal when it was first seen."""

    began: float
    samples: int = 0
    moving: bool = False


class Symmetry:
    """A weight is looked at once; one with equal rows again and again, until they differ."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen: IdentityMap[bool] = IdentityMap()
        self._suspects: IdentityMap[_Suspect] = IdentityMap()
        self._looks: dict[int, int] = {}
        self._told: set[tuple[int, bool]] = set()

    def before(self, optimizer: Any) -> None:
        """Whether the rows of a weight that is new here are equal."""
        if not self._state.window.is_open:
            return
        fresh = [
            parameter
            for parameter in gradients.trainable(optimizer)
            if parameter not in self._seen and _has_rows(parameter) and parameter.grad is not None
        ]
        for parameter in fresh:
            self._seen[parameter] = True
        if fresh:
            self._measure(fresh, self._begin)

    def after(self, optimizer: Any) -> None:
        """Whether those of a suspect still are."""
        if not self._state.window.is_open:
            return
        mine = [one for one in gradients.trainable(optimizer) if one in self._suspects]
        number = self._state.optimizer(optimizer).id
        count = self._looks[number] = self._looks.get(number, 0) + 1
        if mine:
            self._measure([one for one in mine if one.grad is not None], self._again)
            if count >= 8 and count & (count - 1) == 0:
                self._state.readings.after(lambda: self._tell(number, mine))

    def _measure(self, parameters: list[Any], then: Any) -> None:
        with torch.no_grad():
            rows = [_rows(parameter) for parameter in parameters]
            apart = [(row - row[:1]).flatten() for row in rows]
        reading = self._state.readings.read(
            [*gradients.norms([row.flatten() for row in rows]), *gradients.norms(apart)]
        )
        count = len(parameters)

        def write() -> None:
            for index, parameter in enumerate(parameters):
                then(parameter, reading.values[index], reading.values[count + index])

        self._state.readings.after(self._state.session.guarded(write))

    def _begin(self, parameter: Any, norm: float, apart: float) -> None:
        if apart == 0:
            self._suspects[parameter] = _Suspect(norm)

    def _again(self, parameter: Any, norm: float, apart: float) -> None:
        suspect = self._suspects.get(parameter)
        if suspect is None:
            return
        if apart > _ALIKE * norm or norm != norm:
            self._suspects.forget(parameter)
            return
        suspect.samples += 1
        suspect.moving |= norm != suspect.began

    def _tell(self, optimizer: int, parameters: list[Any]) -> None:
        for moving in (True, False):
            known = [
                (parameter, suspect)
                for parameter in parameters
                if (suspect := self._suspects.get(parameter)) and suspect.moving is moving
            ]
            if known or (optimizer, moving) in self._told:
                self._told.add((optimizer, moving))
                names = [owner[1] for p, _ in known if (owner := self._state.names.get(p))]
                samples = min((suspect.samples for _, suspect in known), default=0)
                step = self._state.session.step
                self._state.session.emit(Uniform(step, optimizer, names, samples, moving))

    def finish(self) -> None:
        """At the end: the suspects that are left."""
        for optimizer, known in self._state.optimizers.items():
            if self._looks.get(known.id):
                self._tell(known.id, gradients.trainable(optimizer))


def install(state: State) -> None:
    """Look at the steps that an open window shows."""
    symmetry = Symmetry(state)
    state.before_update.append(state.session.guarded(symmetry.before))
    state.after_update.append(state.session.guarded(symmetry.after))
    state.session.at_end.append(state.session.guarded(symmetry.finish))


def _has_rows(parameter: Any) -> bool:
    """Whether it has units that can be compared: rows of at least two weights."""
    if parameter.layout != torch.strided or not parameter.is_floating_point():
        return False
    return bool(parameter.dim() >= 2 and parameter.shape[0] > 1 and parameter[0].numel() > 1)


def _rows(parameter: Any) -> Any:
    rows = parameter.detach()[:_SIZE].flatten(1)
    return rows[:, :: -(-rows.shape[1] // _SIZE)].double()
