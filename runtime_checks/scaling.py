"""The loss scale of a GradScaler: whether gradients carry it, and how much it is."""

from __future__ import annotations

from typing import Any

from trainlint.runtime_checks.readings import Reading, Readings


class Scaling:
    """Follows the scaler that last scaled a loss, from that on until its `update()`."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._scaler: Any = None
        self._scale: Reading | None = None
        self._loss_is_scaled = False

    def scaled(self, scaler: Any) -> None:
        """The scaler multiplied a loss."""
        if scaler.is_enabled() and scaler._scale is not None:
            self._scaler = scaler
            # Cloned, since `update()` changes it in place.
            self._scale = self._readings.read([scaler._scale.detach().clone()])
            self._loss_is_scaled = True

    def updated(self) -> None:
        """The scaler's `update()` ends the iteration."""
        self._scaler = None
        self._scale = None
        self._loss_is_scaled = False

    def of_loss(self) -> Reading | None:
        """The factor in the loss whose backward begins now; None where it carries none."""
        taken = self._scale if self._loss_is_scaled else None
        self._loss_is_scaled = False
        return taken

    def of_gradients(self, optimizer: Any) -> Reading | None:
        """The factor that an optimizer's gradients carry now; None where it is taken out."""
        if self._scaler is None:
            return None
        # The stage is kept nowhere else; `get`, since indexing would create an entry.
        state = self._scaler._per_optimizer_states.get(id(optimizer), {})
        stage = getattr(state.get("stage"), "name", "READY")
        return self._scale if stage == "READY" else None
