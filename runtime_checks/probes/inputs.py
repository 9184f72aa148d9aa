"""What the first layer of a model is given, and whether its output depends on the sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from trainlint.runtime_checks.probes.freshness import is_fresh
from trainlint.runtime_checks.record import Inputs, Outputs
from trainlint.runtime_checks.state import State

_LEAST = 4  # samples of a batch
_MOST = 8  # looks at a model's input
_NUMBERS = 1 << 16


@dataclass
class _Looks:
    """How often a root's output was looked at, and was the same for all samples."""

    total: int = 0
    streak: int = 0
    site: Any = None
    values: list[float] = field(default_factory=list)


class FirstInputs:
    """Of each root, the first two layers that have parameters: the input, and whether it is normed.

    Hooks the layers of a root for the time of one call, and of a few calls only.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._handles: list[Any] = []
        self._root: Any = None
        self._first: tuple[Any, Any] | None = None
        self._looks: dict[int, int] = {}
        self._enter = state.session.guarded(self._entered)

    def close(self) -> None:
        """Look no more at this call, whose forward may have raised."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._root = self._first = None

    def begin(self, module: Any) -> None:
        """Before a root."""
        if self._handles:
            self.close()
        if not (self._state.window.is_open and module.training and torch.is_grad_enabled()):
            return
        model = self._state.models.get(module)
        if model is None or self._looks.get(model.id, 0) >= _MOST:
            return
        self._root = module
        layers = (part for part in module.modules() if part._parameters)
        self._handles = [layer.register_forward_pre_hook(self._enter) for layer in layers]

    def _entered(self, module: Any, args: Any) -> None:
        root, first = self._root, self._first
        normed = "Norm" in type(module).__name__
        if first is None and not normed and _is_measurable(args):
            self._first = module, args[0].detach()
            return
        self.close()
        if first is not None:
            self._tell(root, *first, normed)

    def left(self, module: Any, args: Any, result: Any) -> None:
        """After a root."""
        first = self._first
        if self._handles:
            self.close()
        if first is not None:
            self._tell(module, *first, False)

    def _tell(self, root: Any, layer: Any, given: Any, normed: bool) -> None:
        state = self._state
        model = state.models.get(root)
        if model is None:
            return
        self._looks[model.id] = self._looks.get(model.id, 0) + 1
        with torch.no_grad():
            some = given.reshape(-1)[:_NUMBERS].float()
            numbers = [*torch.aminmax(some), some.std(), (some == some.round()).all().float()]
        parameter = next((one for one in layer._parameters.values() if one is not None), None)
        owner = state.names.get(parameter) if parameter is not None else None
        facts: dict[str, Any] = {
            "step": state.session.step,
            "model": model.id,
            "layer": owner[1].rpartition(".")[0] if owner else "",
            "site": state.sites.get(layer),
            "normed": normed,
            "fresh": is_fresh(state, root),
        }
        reading = state.readings.read(numbers)

        def write() -> None:
            low, high, std, whole = reading.values
            state.session.emit(Inputs(**facts, low=low, high=high, std=std, whole=bool(whole)))

        state.readings.after(write)


class ConstantOutputs:
    """Counts how often in a row a root's output was the same for every sample of a batch."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._looks: dict[int, _Looks] = {}

    def left(self, module: Any, args: Any, result: Any) -> None:
        """After a root."""
        state = self._state
        if not (state.window.is_open and torch.is_grad_enabled() and module.training):
            return
        model, output = state.models.get(module), _tensor_of(result)
        if model is None or output is None or not _is_measurable(args):
            return
        given = args[0]
        if len(given) < _LEAST or output.dim() == 0 or len(output) != len(given):
            return
        with torch.no_grad():
            flat = output.detach().reshape(len(output), -1)[:, :_NUMBERS].float()
            inputs = given.detach().reshape(len(given), -1)[:, :_NUMBERS]
            numbers = [
                (flat.amax(0) - flat.amin(0)).max(),
                flat.abs().max(),
                (inputs != inputs[:1]).any().float(),
            ]
        looks = self._looks.setdefault(model.id, _Looks())
        reading = state.readings.read(numbers)
        state.readings.after(lambda: self._count(model.id, looks, reading.values))

    def _count(self, model: int, looks: _Looks, values: list[float]) -> None:
        spread, size, varied = values
        looks.total += 1
        looks.streak = looks.streak + 1 if varied and spread <= 1e-6 * size else 0
        looks.values = [size]
        if looks.total & (looks.total - 1) == 0:
            self._tell(model, looks)

    def _tell(self, model: int, looks: _Looks) -> None:
        step, size = self._state.session.step, looks.values[0]
        self._state.session.emit(Outputs(step, model, looks.total, looks.streak, size))

    def close(self) -> None:
        """Nothing more will come."""
        for model, looks in self._looks.items():
            if looks.total:
                self._tell(model, looks)


def _is_measurable(args: Any) -> bool:
    given: Any = args[0] if args else None
    return (
        type(given) is torch.Tensor
        and given.is_floating_point()
        and given.layout is torch.strided
        and given.dim() > 1
        and given.numel() > 1
        and not torch._C._functorch.is_functorch_wrapped_tensor(given)
    )


def _tensor_of(result: Any) -> Any:
    """The output, or the first of several."""
    if isinstance(result, Mapping):
        result = next(iter(result.values()), None)
    elif isinstance(result, (tuple, list)):
        result = result[0] if result else None
    if type(result) is not torch.Tensor or result.layout is not torch.strided:
        return None
    return result if result.is_floating_point() and result.numel() else None


def install(state: State) -> None:
    """Be told of roots."""
    inputs, outputs = FirstInputs(state), ConstantOutputs(state)
    state.session.before_root.append(state.session.guarded(inputs.begin))
    state.after_root += [inputs.left, outputs.left]
    state.session.at_end.append(inputs.close)
    state.session.at_end.append(state.session.guarded(outputs.close))
