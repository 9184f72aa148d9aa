"""The trials `spectral-norm` and `weight-norm`: torch's parametrizations, on trained layers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from trainlint.runtime_checks.record import TrialState
from trainlint.runtime_checks.state import State

_LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


class NormTrial:
    """Parametrizes the layers that an optimizer trains, when their model first trains.

    That late, so that a checkpoint which the script loads before training still finds the names
    that it was saved with.
    """

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._name = name.replace("-", "_")
        self._count = 0
        self._reason = "no model was trained"
        self._done: set[int] = set()

    def look(self, model: Any) -> None:
        """Before the script calls a model."""
        if not torch.is_grad_enabled() or id(model) in self._done:
            return
        held = self._held()
        layers = _eligible(model, held)
        if not held:
            return  # its optimizer is still to come
        self._done.add(id(model))
        if not layers:
            self._reason = "no linear or convolutional layer that the optimizer trains"
        for layer in layers:
            self._apply(layer)

    def _held(self) -> dict[int, Any]:
        return {
            id(parameter): optimizer
            for optimizer, _ in self._state.optimizers.items()
            for group in optimizer.param_groups
            for parameter in group["params"]
        }

    def _apply(self, layer: Any) -> None:
        weight = layer.weight
        holders = [
            optimizer
            for optimizer, _ in self._state.optimizers.items()
            if any(weight is p for group in optimizer.param_groups for p in group["params"])
        ]
        if any(weight in optimizer.state for optimizer in holders):
            self._reason = (
                "the script loads a checkpoint into the optimizer before training: its state is "
                "that of the plain weights"
            )
            return
        # Spectral norm draws its first vectors at random: the script's own draws stay as they are.
        devices = [weight.device] if weight.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            getattr(parametrizations, self._name)(layer)
        replaced = list(layer.parametrizations.weight.parameters())
        for optimizer in holders:
            for group in optimizer.param_groups:
                _replace(group["params"], weight, replaced)
        self._count += 1

    def tell(self) -> None:
        """At the end."""
        applied = self._count > 0
        plural = "" if self._count == 1 else "s"
        what = f"{self._name} on {self._count} layer{plural}" if applied else self._reason
        self._state.session.emit(TrialState(applied, what))


def _eligible(model: Any, held: dict[int, Any]) -> list[Any]:
    """The layers of a model whose weight is trained, is theirs alone, and is not parametrized."""
    modules = list(model.modules())
    owners = Counter(
        id(parameter) for module in modules for parameter in module._parameters.values()
    )
    return [
        module
        for module in modules
        if isinstance(module, _LAYERS)
        and not parametrize.is_parametrized(module)
        and "weight" in module._parameters
        and id(module.weight) in held
        and module.weight.requires_grad
        and owners[id(module.weight)] == 1
    ]


def _replace(parameters: list[Any], old: Any, new: list[Any]) -> None:
    """Put new tensors where the old one stood, in place: others may hold the same list."""
    for index, parameter in enumerate(parameters):
        if parameter is old:
            parameters[index : index + 1] = new
            return


def install(state: State, name: str) -> None:
    """Parametrize each model when the script first trains it."""
    trial = NormTrial(state, name)
    state.session.before_root.append(trial.look)
    state.session.at_end.append(trial.tell)
