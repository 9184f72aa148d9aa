"""How far a step moves each weight, which way, and which weights it leaves where they are."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.record import Movement, Stuck
from trainlint.runtime_checks.state import State

# Elements of a tensor that are looked at.
_MOST = 16_384
_SHORT = (torch.float16, torch.bfloat16)
# A gradient below this part of the largest is rounding noise, as that of a bias before BatchNorm.
_CONSIDERABLE = 1e-3


@dataclass
class _Track:
    """What is known of one tensor."""

    name: str
    began: float  # its norm when it was first looked at
    samples: int = 0
    still: float = 0.0  # sum, over samples, of the part that stayed as it was


@dataclass
class _Before:
    """Samples of an optimizer's tensors, before its step."""

    optimizer: Any
    step: int
    parameters: list[Any]
    rates: list[float]
    decays: list[float]
    maximize: bool
    weights: list[Any]
    grads: list[Any]


@dataclass
class _Numbers:
    """Per tensor: norms, and the products of the gradient with movement and weight."""

    weight: list[float]
    moved: list[float]
    grad: list[float]
    along: list[float]
    held: list[float]
    still: list[float] = field(default_factory=list)


class Movements:
    """Compares samples of the weights before and after a step, while the window is open."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._before: _Before | None = None
        self._tracks: IdentityMap[_Track] = IdentityMap()
        self._samples: dict[int, int] = {}
        self._told: dict[int, set[str]] = {}

    def before(self, optimizer: Any) -> None:
        """Take the samples."""
        self._before = None
        if not self._state.window.is_open:
            return
        rows = [
            (parameter, group)
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.requires_grad and _is_plain(parameter) and parameter.grad is not None
        ]
        if not rows:
            return
        self._before = _Before(
            optimizer,
            self._state.session.step,
            [parameter for parameter, _ in rows],
            [_number(group.get("lr")) for _, group in rows],
            [_number(group.get("weight_decay")) for _, group in rows],
            any(group.get("maximize") for _, group in rows),
            [sample(parameter) for parameter, _ in rows],
            [sample(parameter.grad) for parameter, _ in rows],
        )

    def after(self, optimizer: Any) -> None:
        """Measure what has become of them."""
        before, self._before = self._before, None
        if before is None or before.optimizer is not optimizer:
            return
        state = self._state
        with torch.no_grad():
            now = [sample(parameter) for parameter in before.parameters]
            moved = torch._foreach_sub(now, before.weights)
            along = [(grad * move).sum() for grad, move in zip(before.grads, moved, strict=True)]
            # The rest is asked for only where it can tell something.
            held = along
            if any(before.decays):
                held = [(g * w).sum() for g, w in zip(before.grads, before.weights, strict=True)]
            still = [
                _still(parameter, grad, move)
                for parameter, grad, move in zip(
                    before.parameters, before.grads, moved, strict=True
                )
            ]
        count = len(moved)
        norms = gradients.norms([*before.weights, *moved, *before.grads])
        short = [part for part in still if part is not None]
        reading = state.readings.read([*norms, *along, *held, *short])
        number = state.optimizer(optimizer).id
        names = [_name(state, parameter) for parameter in before.parameters]

        def write() -> None:
            values = reading.values
            parts = [values[index * count : (index + 1) * count] for index in range(5)]
            left = iter(values[5 * count :])
            parts.append([0.0 if part is None else next(left) for part in still])
            self._take(number, before, names, _Numbers(*parts))

        # What waits is read soon; it must not keep the optimizer until then.
        before.optimizer = None
        state.readings.after(state.session.guarded(write))

    def _take(self, optimizer: int, before: _Before, names: list[str], numbers: _Numbers) -> None:
        tracks = [
            self._track(parameter, name, norm)
            for parameter, name, norm in zip(before.parameters, names, numbers.weight, strict=True)
        ]
        self._state.session.emit(_line(optimizer, before, tracks, numbers))
        largest = max(numbers.grad)
        if not math.isfinite(largest):
            return
        for index, track in enumerate(tracks):
            if numbers.grad[index] > _CONSIDERABLE * largest and before.rates[index] > 0:
                track.samples += 1
                track.still += 1.0 if numbers.moved[index] == 0 else numbers.still[index]
        count = self._samples[optimizer] = self._samples.get(optimizer, 0) + 1
        if count >= 4 and count & (count - 1) == 0:
            self._tell(optimizer, before.parameters)

    def _track(self, parameter: Any, name: str, norm: float) -> _Track:
        track = self._tracks.get(parameter)
        if track is None:
            track = self._tracks[parameter] = _Track(name, norm)
        track.name = name
        return track

    def _tell(self, optimizer: int, parameters: list[Any]) -> None:
        """Write which of an optimizer's tensors move by less than half of their elements."""
        told = self._told.setdefault(optimizer, set())
        found: dict[str, list[_Track]] = {dtype: [] for dtype in told}
        for parameter in parameters:
            track = self._tracks.get(parameter)
            if track is not None and track.samples and track.still > 0.5 * track.samples:
                found.setdefault(str(parameter.dtype).removeprefix("torch."), []).append(track)
        told.update(found)
        for dtype, tracks in found.items():
            self._state.session.emit(
                Stuck(
                    step=self._state.session.step,
                    optimizer=optimizer,
                    dtype=dtype,
                    names=[track.name for track in tracks],
                    samples=min((track.samples for track in tracks), default=0),
                    share=min((track.still / track.samples for track in tracks), default=0.0),
                )
            )

    def finish(self) -> None:
        """At the end: what is known of each optimizer that still exists."""
        for optimizer, known in self._state.optimizers.items():
            if self._samples.get(known.id):
                self._tell(known.id, gradients.trainable(optimizer))


def install(state: State) -> None:
    """Look at the steps that an open window shows."""
    movements = Movements(state)
    state.before_update.append(state.session.guarded(movements.before))
    state.after_update.append(state.session.guarded(movements.after))
    # Before what waits is read for the last time, and after it.
    state.session.at_end.append(state.session.guarded(state.readings.sync))
    state.session.at_end.append(state.session.guarded(movements.finish))


def sample(tensor: Any) -> Any:
    """A copy of at most so many elements, evenly spread, in a type that can be computed with."""
    flat = tensor.detach().reshape(-1)
    every = -(-flat.numel() // _MOST)
    if every > 1:
        # Prime to the length of a row, so that the samples are not all of one column.
        while math.gcd(every, tensor.shape[-1]) > 1:
            every += 1
        flat = flat[::every]
    return flat.to(torch.float32, copy=True) if flat.dtype in _SHORT else flat.clone()


def _still(parameter: Any, grad: Any, move: Any) -> Any:
    """The part of the elements with a gradient that stayed as they were, in a short type."""
    if parameter.dtype not in _SHORT:
        return None  # such a tensor moves as a whole, or not at all
    given = grad != 0
    return ((move == 0) & given).sum() / given.sum().clamp(min=1)


def _is_plain(parameter: Any) -> bool:
    """Dense, real, with elements, and with a gradient of the same kind, if any."""
    grad = parameter.grad
    plain = type(parameter) in (torch.nn.Parameter, torch.Tensor) and parameter.numel() > 0
    return (
        plain
        and parameter.layout == torch.strided
        and parameter.is_floating_point()
        and (grad is None or grad.layout == torch.strided)
    )


def _number(value: Any) -> float:
    """A group's setting; one in a tensor is not asked for, and counts as 1."""
    return float(value) if isinstance(value, (int, float)) else 1.0 if value is not None else 0.0


def _name(state: State, parameter: Any) -> str:
    owner = state.names.get(parameter)
    return owner[1] if owner is not None else "?"


def _line(optimizer: int, before: _Before, tracks: list[_Track], numbers: _Numbers) -> Movement:
    ratios = {
        index: numbers.moved[index] / numbers.weight[index]
        for index, parameter in enumerate(before.parameters)
        if parameter.dim() >= 2 and tracks[index].began > 0 and numbers.weight[index] > 0
    }
    largest = max(ratios, key=lambda index: ratios[index], default=None)
    return Movement(
        step=before.step,
        optimizer=optimizer,
        rate=max(before.rates),
        largest=None if largest is None else ratios[largest],
        layer="" if largest is None else tracks[largest].name,
        middle=statistics.median(ratios.values()) if ratios else None,
        cosine=None if before.maximize else _cosine(before, numbers),
    )


def _cosine(before: _Before, numbers: _Numbers) -> float | None:
    """Between gradient and movement, without what weight decay does."""
    size = math.hypot(*numbers.grad) * math.hypot(*numbers.moved)
    if not size or not math.isfinite(size):
        return None
    settings = zip(numbers.along, numbers.held, before.rates, before.decays, strict=True)
    return sum(along + rate * decay * held for along, held, rate, decay in settings) / size
