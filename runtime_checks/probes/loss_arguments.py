"""What loss functions are given: where it comes from, its range, shapes and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes.makers import makers_of
from trainlint.runtime_checks.record import LossCall, Site
from trainlint.runtime_checks.state import State

# Rows of scores along the classes: these take a class, or a share of each, for every row.
_CLASSES = ("cross_entropy", "nll_loss")
_ROWS = (*_CLASSES, "kl_div")
_BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
REGRESSIONS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_MOST_CLASSES = 100
_MOST_ROWS = 256
_MOST_SCORES = 1 << 16
_MOST_LABELS = 4096


@dataclass
class _Numbers:
    """Numbers by name, some of them lists, that are fetched together."""

    names: list[tuple[str, int | None]] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)

    def add(self, name: str, value: Any) -> None:
        """One number, of a tensor of one element; or several, of one axis."""
        many = value.dim() == 1
        self.names.append((name, len(value) if many else None))
        self.tensors += value.unbind() if many else [value]

    def read_back(self, values: list[float]) -> dict[str, Any]:
        """The numbers by name, from those that were fetched; those of lists are counts."""
        found: dict[str, Any] = {}
        at = 0
        for name, length in self.names:
            if length is None:
                found[name] = values[at]
            else:
                found[name] = [int(value) for value in values[at : at + length]]
            at += length or 1
        return found


class LossArguments:
    """Looks at the first call of each line in a step."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen: dict[tuple[Site | None, str], int] = {}

    def look(self, function: str, arguments: Mapping[str, Any], result: Any) -> None:
        """After a loss was computed, with a graph."""
        given: Any = arguments.get("input")
        target: Any = arguments.get("target")
        if not (_is_plain(given) and _is_plain(target) and _is_plain(result)):
            return
        if not given.requires_grad or not given.is_floating_point() or not given.numel():
            return
        site, step = user_site(), self._state.session.step
        if self._seen.get((site, function)) == step:
            return
        self._seen[site, function] = step
        with torch.no_grad():
            numbers = _measure(function, given.detach(), target.detach(), result.detach())
        self._write(function, site, arguments, numbers)

    def _write(
        self, function: str, site: Site | None, arguments: Mapping[str, Any], numbers: _Numbers
    ) -> None:
        state = self._state
        given, target = arguments["input"], arguments["target"]
        feeding = state.fed_by()
        facts: dict[str, Any] = {
            "step": state.session.step,
            "site": site,
            "function": function,
            "input_shape": list(given.shape),
            "target_shape": list(target.shape),
            "plain": _is_averaged(arguments),
            "loader": feeding.loader if feeding is not None else None,
        }
        facts["maker"], facts["under"] = makers_of(given)
        reading = state.readings.read(numbers.tensors)

        def write() -> None:
            found = numbers.read_back(reading.values)
            state.session.emit(LossCall(**facts, **{"loss": None, **found}))

        state.readings.after(write)


def _is_plain(value: Any) -> bool:
    """An ordinary tensor: no subclass, and none that torch.func is looking through."""
    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        return False
    functorch = getattr(torch._C, "_functorch", None)
    return functorch is None or not functorch.is_functorch_wrapped_tensor(value)


def _is_averaged(arguments: Mapping[str, Any]) -> bool:
    """Whether the loss is the mean over all samples, each weighing the same."""
    weights = (arguments.get("weight"), arguments.get("pos_weight"))
    return (
        all(one is None for one in weights)
        and not arguments.get("label_smoothing")
        and arguments.get("reduction", "mean") == "mean"
        and arguments.get("size_average") is None
        and arguments.get("reduce") is None
    )


def _measure(function: str, given: Any, target: Any, result: Any) -> _Numbers:
    numbers = _Numbers()
    if result.numel() == 1:
        numbers.add("loss", result.clone().reshape(()))
    low, high = torch.aminmax(given.float())
    numbers.add("low", low)
    numbers.add("high", high)
    if function in _ROWS and given.dim() and given.numel():
        _measure_rows(numbers, function, given, target)
    elif function in _BINARY:
        _measure_binary(numbers, given, target)
    elif target.is_floating_point() and target.numel():
        numbers.add("negative", (target < 0).float().mean())
    return numbers


def _measure_rows(numbers: _Numbers, function: str, given: Any, target: Any) -> None:
    """Whether rows are probabilities or logarithms of them; the classes that are meant and said."""
    along = -1 if function == "kl_div" else min(1, given.dim() - 1)
    classes = given.shape[along]
    rows = _rows(given, along, classes)
    numbers.add("off_one", (rows.sum(-1) - 1).abs().max())
    numbers.add("off_zero", rows.logsumexp(-1).abs().max())
    if function not in _CLASSES or target.is_floating_point() or given.dim() > 2:
        return
    if 2 <= classes <= _MOST_CLASSES:
        numbers.add("labels", _counted(target.reshape(-1)[:_MOST_LABELS], classes))
        numbers.add("guesses", _counted(rows.argmax(-1), classes))


def _rows(given: Any, along: int, classes: int) -> Any:
    """Some rows of scores, in single precision."""
    most = max(8, min(_MOST_ROWS, _MOST_SCORES // max(classes, 1)))
    if given.dim() == 1:
        return given.float().unsqueeze(0)
    each = max(1, given.numel() // (given.shape[0] * max(classes, 1)))
    some = given[: max(1, -(-most // each))]
    return some.movedim(along, -1).reshape(-1, classes)[:most].float()


def _measure_binary(numbers: _Numbers, given: Any, target: Any) -> None:
    """Labels of two classes: a single output, and targets that are all 0 or 1."""
    if given.shape != target.shape or given.dim() > 2 or (given.dim() == 2 and given.shape[1] > 1):
        return
    target, given = target.reshape(-1)[:_MOST_LABELS], given.reshape(-1)[:_MOST_ROWS]
    whole = ((target == 0) | (target == 1)).all()
    # Where some target is neither, no label counts.
    numbers.add("labels", _counted(target, 2) * whole)


def _counted(values: Any, classes: int) -> Any:
    """How often each class occurs; what is none of them (an index to be ignored) is left out."""
    return (values.unsqueeze(1) == torch.arange(classes, device=values.device)).sum(0)


def install(state: State) -> None:
    """Be told of each loss that is computed with a graph, while the window is open."""
    state.on_loss.append(state.session.guarded(LossArguments(state).look))
