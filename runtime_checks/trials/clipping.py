"""The trials `clip-norm` and `clip-value`: torch's own clipping, right before each step."""

from __future__ import annotations

from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.record import TrialState
from trainlint.runtime_checks.series import count
from trainlint.runtime_checks.state import State


class ClipTrial:
    """Clips what an optimizer is about to consume; the probe of clipping sees it as any other."""

    def __init__(self, state: State, name: str, limit: float) -> None:
        self._state = state
        self._by_norm = name == "clip-norm"
        self._limit = limit
        self._steps = 0
        self._failure: str | None = None

    def before_step(self, optimizer: Any) -> None:
        """Clip; where torch refuses to, its words are why the trial does not apply."""
        try:
            self._clip(optimizer)
            self._steps += 1
            if self._steps == 1:
                self.tell()  # a process that is killed tells nothing at its end
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"

    def _clip(self, optimizer: Any) -> None:
        limit = self._limit * self._scale(optimizer)
        parameters = gradients.trainable(optimizer)
        if self._by_norm:
            torch.nn.utils.clip_grad_norm_(parameters, limit)
        else:
            torch.nn.utils.clip_grad_value_(parameters, limit)

    def _scale(self, optimizer: Any) -> float:
        """The factor of a GradScaler that the gradients still carry."""
        # A fused optimizer takes the scale out itself, within its step.
        fused = getattr(optimizer, "grad_scale", None)
        if isinstance(fused, torch.Tensor):
            return float(fused)
        carried = self._state.scaling.of_gradients(optimizer)
        return carried.values[0] if carried is not None else 1.0

    def tell(self) -> None:
        """At the first clipping, and at the end."""
        function = "clip_grad_norm_" if self._by_norm else "clip_grad_value_"
        if self._steps:
            what = f"{function}({self._limit:g}) before {count(self._steps, 'step')}"
        elif self._failure is not None:
            what = self._failure
        elif self._state.session.step:
            what = "the optimizer computes its gradients within step(), in a closure"
        else:
            what = "no optimizer step was reached"
        self._state.session.emit(TrialState(self._steps > 0, what))


def install(state: State, name: str, limit: float) -> None:
    """Clip before every step from now on."""
    trial = ClipTrial(state, name, limit)
    state.session.before_step.append(trial.before_step)
    state.session.at_end.append(trial.tell)
