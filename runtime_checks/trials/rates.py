"""The trials `lr` and `lr-range`: the learning rates of every step, by a factor."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import optimizer as hooks

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.record import TrialState
from trainlint.runtime_checks.series import count, show
from trainlint.runtime_checks.state import State

# The range test goes from a thousandth of the script's own rate to a thousand times it.
_SPAN = 1e3
_STEPS = 100
_STOP = 4.0  # times the best loss
# Losses are averaged with this weight on what came before.
_SMOOTH = 0.8


class RateTrial:
    """Multiplies the rates while `step` runs: what schedulers see and set stays the script's."""

    def __init__(self, state: State, factor: float) -> None:
        self._state = state
        self._factor = factor
        self._kept: list[tuple[dict[str, Any], Any]] = []
        self.steps = 0
        self.changed: list[float] = []

    def factor(self) -> float:
        """The factor of the step to come."""
        return self._factor

    def before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Before a step."""
        if not self._state.session.here() or self._kept:
            return
        factor = self.factor()
        for group in optimizer.param_groups:
            if "lr" in group:
                self._kept.append((group, group["lr"]))
                group["lr"] = group["lr"] * factor
        if self._kept:
            self.changed.append(float(self._kept[0][0]["lr"]))

    def after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """After a step."""
        kept, self._kept = self._kept, []
        for group, rate in kept:
            group["lr"] = rate
        if kept:
            self.steps += 1
            if self.steps == 1:
                self.tell()  # a process that is killed tells nothing at its end

    def tell(self) -> None:
        """At the first step, and at the end."""
        what = f"learning rates times {self._factor:g} in {count(self.steps, 'step')}"
        none = "no optimizer with a learning rate stepped"
        self._state.session.emit(TrialState(self.steps > 0, what if self.steps else none))


class RangeTrial(RateTrial):
    """The rate grows from step to step until the loss is four times the best."""

    def __init__(self, state: State) -> None:
        super().__init__(state, 1.0)
        budget = state.session.budget
        most = min(_STEPS, budget.max_steps) if budget is not None else _STEPS
        self._growth = (_SPAN * _SPAN) ** (1 / max(1, most - 1))
        self._most = most
        self._mean: float | None = None
        self._curve: list[tuple[float, float]] = []
        self._own: float | None = None

    def factor(self) -> float:
        """A thousandth at first."""
        return float(self._growth**self.steps / _SPAN)

    def after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """After a step: take its loss, which was computed before the rate moved anything."""
        if self._kept and self._own is None:
            self._own = float(self._kept[0][1])
        super().after(optimizer, args, kwargs)
        loss, budget = self._state.last_loss(), self._state.session.budget
        if loss is None:
            return
        weight = _SMOOTH if self._mean is not None and math.isfinite(loss) else 0.0
        self._mean = weight * (self._mean or 0.0) + (1 - weight) * loss
        self._curve.append((self.changed[-1], self._mean))
        best = min(mean for _, mean in self._curve)
        spent = not math.isfinite(loss) or self._mean > _STOP * best > 0
        if budget is not None and (spent or self.steps >= self._most):
            budget.max_steps = min(budget.max_steps, self._state.session.step)

    def tell(self) -> None:
        """At the first step, and at the end: what rate would do."""
        self._state.session.emit(TrialState(self.steps > 0, self._words()))

    def _words(self) -> str:
        known = [(rate, mean) for rate, mean in self._curve if math.isfinite(mean)]
        if not known:
            return "no optimizer with a learning rate stepped on a loss"
        span = f"rates from {show(self._curve[0][0])} to {show(self._curve[-1][0])}"
        rate, low = min(known, key=lambda point: point[1])
        first = known[0][1]
        if low > 0.9 * first:
            return f"{span}: at none does the loss fall by a tenth; it begins at {show(first)}"
        return (
            f"{span}: the loss is lowest, {show(low)}, at {show(rate)}; try {show(rate / 10)} (the "
            f"script's own is {show(self._own)})"
        )


def install(state: State, patches: Patches, factor: float | None) -> None:
    """Change the rates from now on; without a factor, go through a range of them."""
    trial = RangeTrial(state) if factor is None else RateTrial(state, factor)
    handle = hooks.register_optimizer_step_pre_hook(trial.before)
    patches.keep(handle)
    # First of all, so that the probes see the rate that is used.
    hooks._global_optimizer_pre_hooks.move_to_end(handle.id, last=False)
    after = hooks.register_optimizer_step_post_hook(trial.after)
    patches.keep(after)
    hooks._global_optimizer_post_hooks.move_to_end(after.id, last=False)
    state.session.at_end.append(trial.tell)
