"""GradScaler: which loss it scaled, and which steps it left out."""

from __future__ import annotations

import functools
from typing import Any

import torch

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.probes.step import Steps
from trainlint.runtime_checks.state import State


def install(state: State, patches: Patches, steps: Steps) -> None:
    """Patch the class that all GradScalers derive from."""
    # It moved from torch.cuda.amp to torch.amp in torch 2.3.
    scaler = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler
    patches.replace(scaler, "scale", lambda original: _scale(original, state))
    patches.replace(scaler, "update", lambda original: _update(original, state))
    patches.replace(scaler, "step", lambda original: _step(original, state, steps))


def _scale(original: Any, state: State) -> Any:
    note = state.session.guarded(state.scaling.scaled)

    @functools.wraps(original)
    def scale(self: Any, outputs: Any) -> Any:
        result = original(self, outputs)
        if state.session.here():
            note(self)
        return result

    return scale


def _update(original: Any, state: State) -> Any:
    @functools.wraps(original)
    def update(self: Any, *args: Any, **kwargs: Any) -> Any:
        original(self, *args, **kwargs)
        if state.session.here():
            state.scaling.updated()

    return update


def _step(original: Any, state: State, steps: Steps) -> Any:
    skipped = state.session.guarded(steps.skipped)

    @functools.wraps(original)
    def step(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        before = steps.count
        result = original(self, optimizer, *args, **kwargs)
        if self.is_enabled() and steps.count == before and state.session.here():
            skipped(optimizer)
            state.session.check_budget()
        return result

    return step
