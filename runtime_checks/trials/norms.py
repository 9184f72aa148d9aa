"""The trials `spectral-norm` and `weight-norm`: torch's parametrizations, on trained layers."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.record import TrialState
from trainlint.runtime_checks.series import count
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
_NONE_TRAINED = "no linear or convolutional layer that an optimizer trains"


@dataclass
class Applied:
    """Number of layers that were changed, and of those that were not, by the reason why not."""

    layers: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def add(self, other: Applied) -> None:
        """Count another model's layers too."""
        self.layers += other.layers
        self.left += other.left

    def sentence(self, function: str) -> str:
        """What was done, or else why nothing was."""
        if not self.layers and not self.left:
            return _NONE_TRAINED
        left = [f"{count(number, 'layer')} {reason}" for reason, number in self.left.items()]
        done = f"{function} on {count(self.layers, 'layer')}"
        if not self.layers:
            return f"cannot change {', '.join(left)}"
        return f"{done}; not on {', '.join(left)}" if left else done


class NormTrial:
    """Parametrizes the layers that an optimizer trains, when their model first trains.

    That late, so that a checkpoint which the script loads before training still finds the names
    that it was saved with.
    """

    def __init__(self, state: State, function: str) -> None:
        self._state = state
        self._function = function
        self._applied = Applied()
        self._done: IdentityMap[bool] = IdentityMap()
        self._failure: str | None = None

    def look(self, model: Any) -> None:
        """Before the script calls a model."""
        if not torch.is_grad_enabled() or model in self._done:
            return
        optimizers = [optimizer for optimizer, _ in self._state.optimizers.items()]
        others = [module for module, _ in self._state.sites.items()]
        try:
            applied = apply_norm(self._function, model, optimizers, others)
        except Exception as error:  # whatever torch says of such a layer is the answer
            self._failure = f"{type(error).__name__}: {error}"
            return
        # Its optimizer may still be to come, but not once training has begun.
        if applied.layers or self._state.session.step:
            self._done[model] = True
            self._applied.add(applied)
            self.tell()  # a process that is killed tells nothing at its end
            self._rename(model)

    def _rename(self, model: Any) -> None:
        """Let the probes know the new parameters of a model that they know already."""
        known = self._state.models.get(model)
        if known is not None:
            known.rename(model, self._state.names)

    def tell(self) -> None:
        """Once a model is changed, and at the end."""
        applied = self._applied.layers > 0
        what = self._applied.sentence(self._function)
        if not applied and self._failure is not None:
            what = self._failure
        self._state.session.emit(TrialState(applied, what))


def apply_norm(
    function: str, model: Any, optimizers: Sequence[Any], others: Iterable[Any] = ()
) -> Applied:
    """Parametrize every layer of a model that one of the optimizers trains.

    New parameters stand in the param groups where the old ones stood. `others` are modules that
    may share weights with the model. A copy of the model, such as the running average of its
    weights, is changed like it, so that the two still match.
    """
    layers = _trained(model, optimizers)
    if any(torch.nn.parameter.is_lazy(layer.weight) for layer in layers.values()):
        return Applied()  # no shape before its first call
    modules = {id(module): module for module in (*model.modules(), *others)}
    owners = Counter(
        id(p) for module in modules.values() for p in getattr(module, "_parameters", {}).values()
    )
    applied = Applied()
    copies = _copies(model) if layers else []
    for name, layer in layers.items():
        reason = _obstacle(function, layer, optimizers, owners)
        if reason is not None:
            applied.left[reason] += 1
            continue
        _parametrize(function, layer, optimizers)
        for copy in copies:
            _parametrize(function, copy.get_submodule(name), ())
        applied.layers += 1
    return applied


def _trained(model: Any, optimizers: Sequence[Any]) -> dict[str, Any]:
    """The layers, by name, whose own weight an optimizer holds."""
    held = {
        id(parameter)
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _LAYERS)
        and not parametrize.is_parametrized(module, "weight")
        and module._parameters.get("weight") is not None
        and id(module.weight) in held
        and module.weight.requires_grad
    }


def _obstacle(
    function: str, layer: Any, optimizers: Sequence[Any], owners: Counter[int]
) -> str | None:
    """Why a layer's weight cannot be replaced; None where it can."""
    weight = layer.weight
    if any(isinstance(optimizer, torch.optim.LBFGS) for optimizer in optimizers):
        return "that an optimizer trains within step(), in a closure"
    if owners[id(weight)] > 1:
        return "whose weight is shared with another layer"
    if any(weight in optimizer.state for optimizer in optimizers):
        return (
            "for which the optimizer has state already, from steps or from a checkpoint that the "
            "script loads after building it"
        )
    with torch.no_grad():
        rows = weight.flatten(1).norm(dim=1)
        zero = (rows == 0).any() if function == "weight_norm" else (rows == 0).all()
    return "whose weight begins at zero, and would be divided by its norm" if zero else None


def _parametrize(function: str, layer: Any, optimizers: Sequence[Any]) -> None:
    weight = layer.weight
    # Spectral norm draws its first vectors at random: the script's own draws stay as they are.
    devices = [weight.device] if weight.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        getattr(parametrizations, function)(layer)
    replaced = dict(layer.parametrizations.weight.named_parameters())
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            _replace(group, weight, replaced)


def _replace(group: dict[str, Any], old: Any, new: dict[str, Any]) -> None:
    """Put new tensors where the old one stood, in place: others may hold the same list."""
    for index, parameter in enumerate(group["params"]):
        if parameter is old:
            group["params"][index : index + 1] = new.values()
            names = group.get("param_names")  # torch 2.6, of an optimizer over named parameters
            if names is not None:
                folder, _, name = names[index].rpartition(".")
                prefix = f"{folder}." if folder else ""
                names[index : index + 1] = [f"{prefix}parametrizations.{name}.{key}" for key in new]
            return


def _copies(model: Any) -> list[Any]:
    """Other modules of this class with the same weights in the same places."""
    mine = dict(model.named_parameters())
    return [
        other
        for other in gc.get_objects()
        if type(other) is type(model) and other is not model and _matches(mine, other)
    ]


def _matches(mine: dict[str, Any], other: Any) -> bool:
    theirs = dict(other.named_parameters())
    return mine.keys() == theirs.keys() and all(
        theirs[name] is not parameter
        and theirs[name].device == parameter.device
        and torch.equal(theirs[name], parameter)
        for name, parameter in mine.items()
    )


def install(state: State, name: str) -> None:
    """Parametrize each model when the script first trains it."""
    trial = NormTrial(state, name.replace("-", "_"))
    state.session.before_root.append(trial.look)
    state.session.at_end.append(trial.tell)
