"""Steps that are not looked at closely: written together, as long as they are alike."""

from __future__ import annotations

from typing import NamedTuple

from trainlint.runtime_checks.readings import Reading
from trainlint.runtime_checks.record import Site, Stride
from trainlint.runtime_checks.state import State

# Seconds that a step may wait to be written: what kills the process takes them with it.
_PATIENCE = 0.25


class Alike(NamedTuple):
    """What such steps of one optimizer have in common."""

    site: Site | None
    with_grad: int
    total: int
    stale: bool
    backwards: int
    skipped: bool
    frozen: int


class _Pending(NamedTuple):
    """The steps of one optimizer that wait, a column each."""

    own: int  # of the first
    alike: Alike
    steps: list[int]
    seconds: list[float]
    lrs: list[list[float]]
    losses: list[tuple[Reading | None, Reading | None]]  # with the scale of each


class Strides:
    """Collects them, per optimizer, and writes them when one is unlike those before, or in time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pending: dict[int, _Pending] = {}
        self._since = 0.0
        state.session.at_end.append(state.session.guarded(self.close))

    def add(self, optimizer: int, own: int, alike: Alike, lrs: list[float]) -> None:
        """One step, which is the session's current one."""
        now = self._state.session.seconds
        pending = self._pending.get(optimizer)
        if pending is not None and pending.alike != alike:
            self._write(optimizer, self._pending.pop(optimizer))
            pending = None
        if not self._pending:
            self._since = now
        if pending is None:
            pending = self._pending[optimizer] = _Pending(own, alike, [], [], [], [])
        pending.steps.append(self._state.session.step)
        pending.seconds.append(now)
        pending.lrs.append(lrs)
        pending.losses.append((self._state.loss, self._state.loss_scale))
        if now - self._since > _PATIENCE:
            self.close()

    def close(self) -> None:
        """Write what waits, in the order of the steps."""
        pending, self._pending = self._pending, {}
        for optimizer, steps in pending.items():
            self._write(optimizer, steps)

    def _write(self, optimizer: int, pending: _Pending) -> None:
        self._state.session.emit(
            Stride(
                optimizer=optimizer,
                own=pending.own,
                **pending.alike._asdict(),
                steps=pending.steps,
                seconds=pending.seconds,
                lrs=pending.lrs,
                losses=[_unscaled(loss, scale) for loss, scale in pending.losses],
            )
        )


def _unscaled(loss: Reading | None, scale: Reading | None) -> float | None:
    if loss is None:
        return None
    return loss.values[0] / (scale.values[0] if scale else 1.0)
