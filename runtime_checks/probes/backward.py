"""`backward()`: the loss, its line, and whether gradients of an earlier step are added to."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes import nonfinite
from trainlint.runtime_checks.readings import Reading, Readings
from trainlint.runtime_checks.record import Backward, Site
from trainlint.runtime_checks.state import Clipped, OptimizerState, State


@dataclass
class _Before:
    """An optimizer's witness that has a gradient as the backward begins."""

    optimizer: OptimizerState
    witness: Any
    grad: Any
    version: int
    norm: Reading


class Backwards:
    """Sees every backward that the script asks for; those inside one are part of it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running = False
        self._begin = state.session.guarded(self._begun)
        self._end = state.session.guarded(self._ended)

    def patched(self, original: Any) -> Any:
        """`Tensor.backward` or `torch.autograd.backward`; both take the tensors first."""

        @functools.wraps(original)
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            session = self._state.session
            if self._running or not (session.here() or session.adopt()):
                return original(tensors, *args, **kwargs)
            before = self._begin(tensors)
            self._running = True
            try:
                result = original(tensors, *args, **kwargs)
            finally:
                self._running = False
            if before:
                self._end(before)
            return result

        return backward

    def _begun(self, tensors: Any) -> list[_Before]:
        state = self._state
        state.session.happened(state.session.before_backward)
        for action in list(state.before_graph):
            action(tensors)
        self._note_loss(tensors, user_site())
        state.backwards += 1
        state.all_backwards += 1
        if state.clipped.norms:
            state.clipped = Clipped()
        met = []
        for optimizer in state.optimizers.values():
            optimizer.backwards += 1
            witness = optimizer.witness() if optimizer.witness is not None else None
            if witness is None or state.stepping:
                continue
            if witness.grad is None:
                optimizer.cleared = True
            else:
                met.append(self._meets(optimizer, witness))
        return met

    def _note_loss(self, tensors: Any, site: Site | None) -> None:
        state = self._state
        scale = state.loss_scale = state.scaling.of_loss()
        loss = state.loss = self._read(tensors)
        step, tells = state.session.step, state.window.is_open
        if scale is None and not tells and loss is not None and loss.is_there:
            state.window.see(loss.values[0])
            nonfinite.check_loss(state, step, site, loss.values[0])
            return

        def write() -> None:
            found = loss.values[0] / (scale.values[0] if scale else 1.0) if loss else None
            if tells:
                state.session.emit(Backward(step, site, found))
            if found is not None:
                state.window.see(found)
            nonfinite.check_loss(state, step, site, found)

        state.readings.after(write)

    def _read(self, tensors: Any) -> Reading | None:
        """The loss, of one number or as many; None for what is no number."""
        readings = self._state.readings
        if isinstance(tensors, torch.Tensor):
            return readings.read_now_or_copy(tensors) if tensors.numel() == 1 else None
        scalars = list(tensors)
        if not scalars or not all(isinstance(t, torch.Tensor) and t.numel() == 1 for t in scalars):
            return None
        return readings.read([sum(t.detach().clone() for t in scalars)])

    def _meets(self, optimizer: OptimizerState, witness: Any) -> _Before:
        """A gradient that is there already."""
        grad = witness.grad
        if not optimizer.accumulated:
            optimizer.changed = _mark(grad) != optimizer.left
        norm = self._state.readings.read(gradients.norms([grad]))
        return _Before(optimizer, witness, grad, grad._version, norm)

    def _ended(self, met: list[_Before]) -> None:
        """Keep what an accumulation met: once one has begun, every later backward counts too."""
        for before in met:
            grad = before.witness.grad
            same = grad is before.grad and grad._version == before.version
            if same and not before.optimizer.accumulated:
                continue
            before.optimizer.accumulated = True
            before.optimizer.met.append(before.norm)


def install(state: State, patches: Patches) -> None:
    """Patch both ways to call a backward: torch has no hook for it."""
    backwards = Backwards(state)
    patches.replace(torch.Tensor, "backward", backwards.patched)
    patches.replace(torch.autograd, "backward", backwards.patched)


def was_stale(state: OptimizerState) -> bool:
    """Whether the first accumulation since the last step, and all later, met old gradients.

    Not where the script itself changed them in between: it decays them, say.
    """
    return (
        bool(state.met)
        and not state.cleared
        and not state.changed
        and not _has_another_norm(state)
        and all(value > 0 or value != value for reading in state.met for value in reading.values)
    )


def _has_another_norm(state: OptimizerState) -> bool:
    """A change through `.data`, which leaves the version as it is; NaN tells nothing."""
    if state.left_norm is None:
        return False
    (before,), (now,) = state.left_norm.values, state.met[0].values
    return before != now and before == before and now == now


def choose_witness(
    state: OptimizerState, parameters: list[Any], norms: list[float], readings: Readings
) -> None:
    """After a step: the smallest tensor whose gradient was not zero tells the next one."""
    candidates = [p for p, norm in zip(parameters, norms, strict=True) if norm > 0]
    _begin_again(state, min(candidates, key=lambda one: one.numel(), default=None), readings)


def keep_witness(state: OptimizerState, readings: Readings) -> None:
    """After a step whose norms are not known: the same tensor tells the next one."""
    _begin_again(state, state.witness() if state.witness is not None else None, readings)


def _begin_again(state: OptimizerState, witness: Any, readings: Readings) -> None:
    doubtful = bool(state.met) and not state.cleared
    grad = witness.grad if witness is not None else None
    state.witness = weakref.ref(witness) if witness is not None else None
    state.accumulated = state.cleared = state.changed = False
    state.met = []
    state.backwards = 0
    state.left = _mark(grad) if grad is not None else None
    # Measured only after steps that look stale: a healthy loop has no need of it.
    known = doubtful and grad is not None
    state.left_norm = readings.read(gradients.norms([grad])) if known else None


def _mark(grad: Any) -> tuple[int, int]:
    return id(grad), grad._version


def untouched(state: State) -> list[OptimizerState]:
    """Optimizers whose witness's gradient is as their last step left it."""
    return [one for one in state.optimizers.values() if one.left and _mark_of(one) == one.left]


def forgive(optimizers: list[OptimizerState]) -> None:
    """Take what became of these gradients for no doing of the script: clipping clears nothing."""
    for optimizer in optimizers:
        mark = _mark_of(optimizer)
        if mark != optimizer.left:
            optimizer.left, optimizer.left_norm = mark, None


def _mark_of(optimizer: OptimizerState) -> tuple[int, int] | None:
    witness = optimizer.witness() if optimizer.witness is not None else None
    grad = witness.grad if witness is not None else None
    return _mark(grad) if grad is not None else None
