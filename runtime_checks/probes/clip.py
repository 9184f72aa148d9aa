"""Gradient clipping: what it was asked, what it met, and the norms before it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils import clip_grad

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes.backward import forgive, untouched
from trainlint.runtime_checks.readings import Reading
from trainlint.runtime_checks.record import Clip
from trainlint.runtime_checks.state import State

_FUNCTIONS = (
    ("clip_grad_norm_", "norm"),
    ("clip_grad_norm", "norm"),
    ("clip_grad_value_", "value"),
)


class Clips:
    """Sees the calls of torch's clipping functions; one calls another."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running = False
        self._measure = state.session.guarded(self._measured)
        self._write = state.session.guarded(self._written)

    def patched(self, original: Any, how: str) -> Any:
        """A clipping function that is measured before and told of after."""

        @functools.wraps(original)
        def clip(parameters: Any, limit: Any, *args: Any, **kwargs: Any) -> Any:
            if self._running or not self._state.session.here():
                return original(parameters, limit, *args, **kwargs)
            # A generator can be read only once, and we look at it too.
            single = isinstance(parameters, torch.Tensor)
            tensors = [parameters] if single else list(parameters)
            norms = self._measure(tensors)
            intact = untouched(self._state)
            self._running = True
            try:
                result = original(tensors, limit, *args, **kwargs)
            finally:
                self._running = False
            forgive(intact)
            self._write(how, limit, tensors, norms, result)
            return result

        return _with_named_limit(clip, "max_norm" if how == "norm" else "clip_value")

    def _measured(self, tensors: list[Any]) -> Reading | None:
        """The norms before; None where steps are not looked at closely."""
        return remember_norms(self._state, tensors) if self._state.window.is_open else None

    def _written(
        self, how: str, limit: Any, tensors: list[Any], norms: Reading | None, result: Any
    ) -> None:
        state = self._state
        site, step, backwards = user_site(), state.session.step, state.backwards
        holders = state.holders(tensors)
        scale = gradient_scale(state, tensors)
        # The function's own result, in its own kind of norm, is what it compared with the limit.
        met = state.readings.read_now_or_copy(result) if how == "norm" else norms
        count = sum(tensor.grad is not None for tensor in tensors)

        def write() -> None:
            norm = (
                gradients.total(met.values) / (scale.values[0] if scale else 1.0) if met else None
            )
            state.session.emit(
                Clip(
                    step=step,
                    site=site,
                    how=how,
                    limit=float(limit),
                    norm=norm,
                    tensors=count,
                    optimizers=holders,
                    scaled=scale is not None,
                    backwards=backwards,
                )
            )

        state.readings.after(write)


def remember_norms(state: State, tensors: list[Any]) -> Reading:
    """Keep the gradient norms that clipping is about to change; the first clipping counts."""
    held = [tensor for tensor in tensors if tensor.grad is not None]
    reading = state.readings.read(gradients.norms([tensor.grad for tensor in held]))
    scale = gradient_scale(state, tensors)
    for index, tensor in enumerate(held):
        state.clipped.norms.setdefault(id(tensor), (reading, index, scale))
    return reading


def gradient_scale(state: State, tensors: list[Any]) -> Reading | None:
    """The loss scale that these tensors' gradients carry."""
    wanted = {id(tensor) for tensor in tensors}
    for optimizer, _ in state.optimizers.items():
        if any(id(p) in wanted for group in optimizer.param_groups for p in group["params"]):
            return state.scaling.of_gradients(optimizer)
    return None


def _with_named_limit(clip: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Accept the limit under the name that the original gives it."""

    @functools.wraps(clip)
    def named(parameters: Any, *args: Any, **kwargs: Any) -> Any:
        if not args and name in kwargs:
            args = (kwargs.pop(name),)
        return clip(parameters, *args, **kwargs)

    return named


def install(state: State, patches: Patches) -> None:
    """Patch the clipping functions under both names that people import them by."""
    clips = Clips(state)
    for name, how in _FUNCTIONS:
        original = getattr(clip_grad, name, None)
        if original is not None:
            changed = clips.patched(original, how)
            for module in (clip_grad, torch.nn.utils):
                patches.put(module, name, changed)
