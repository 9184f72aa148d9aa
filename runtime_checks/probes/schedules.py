"""Schedulers of learning rates: how often, and when, each is stepped."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim import optimizer as hooks

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.record import Schedule, Site
from trainlint.runtime_checks.state import State

# The arguments by which schedulers are told how long they last, in their own steps.
_LENGTHS = ("T_max", "total_steps", "step_size", "total_iters", "T_0")


@dataclass
class _Known:
    """What happened to one scheduler."""

    id: int
    site: Site | None
    began: list[float]  # the rates when it was made
    calls: int = 0
    early: int = 0
    opening: bool = False
    between: int = 0
    changed: int = 0
    pending: int = 0  # backwards that no step has consumed, at its last call
    stepped: Site | None = None


class Schedulers:
    """Counts calls of `step()`, but for those while a scheduler is made, or by another one."""

    def __init__(self, state: State, patches: Patches) -> None:
        self._state = state
        self._patches = patches
        self._known: IdentityMap[_Known] = IdentityMap()
        self._taken: IdentityMap[int] = IdentityMap()
        self._inside = 0
        self._made = state.session.guarded(self._was_made)
        self._called = state.session.guarded(self._was_called)
        self._look = state.session.guarded(self._before_step)

    def making(self, original: Any) -> Any:
        """A constructor."""

        @functools.wraps(original)
        def __init__(scheduler: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            self._inside += 1
            try:
                original(scheduler, *args, **kwargs)
            finally:
                self._inside -= 1
            if not self._inside and self._state.session.here():
                self._made(scheduler)

        return __init__

    def stepping(self, original: Any) -> Any:
        """A scheduler's `step`."""

        @functools.wraps(original)
        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            self._inside += 1
            try:
                result = original(scheduler, *args, **kwargs)
            finally:
                self._inside -= 1
            if not self._inside and self._state.session.here():
                self._called(scheduler)
            return result

        return step

    def _was_made(self, scheduler: Any) -> None:
        if scheduler in self._known:
            return  # a constructor that called another
        if not list(self._known.items()):
            self._patches.keep(hooks.register_optimizer_step_pre_hook(self._before))
        number, site = self._state.session.number(), user_site(scheduler)
        self._known[scheduler] = _Known(number, site, _rates(scheduler.optimizer))
        self._state.optimizer(scheduler.optimizer)

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._state.session.here():
            self._look(optimizer)

    def _before_step(self, optimizer: Any) -> None:
        self._taken[optimizer] = (self._taken.get(optimizer) or 0) + 1
        for scheduler, known in self._known.items():
            if known.pending and scheduler.optimizer is optimizer:
                state = self._state.optimizers.get(optimizer)
                known.between += state is not None and state.backwards == known.pending
                known.pending = 0

    def _was_called(self, scheduler: Any) -> None:
        known = self._known.get(scheduler)
        if known is None:
            return
        state = self._state
        optimizer = state.optimizer(scheduler.optimizer)
        if not known.calls:
            known.opening = not optimizer.own and not state.backwards and not state.epoch
        known.calls += 1
        known.early += not optimizer.own and not self._steps_of(scheduler)
        known.pending = optimizer.backwards
        known.changed += _rates(scheduler.optimizer) != known.began
        known.stepped = user_site()
        if known.calls & (known.calls - 1) == 0:
            self._tell(scheduler, known)

    def _steps_of(self, scheduler: Any) -> int:
        """Steps with the groups whose rate it sets; a wrapping optimizer shares them."""
        groups = {id(group) for group in scheduler.optimizer.param_groups}
        return max(
            (
                count
                for optimizer, count in self._taken.items()
                if any(id(group) in groups for group in optimizer.param_groups)
            ),
            default=0,
        )

    def _tell(self, scheduler: Any, known: _Known) -> None:
        argument, length = _length(scheduler)
        parts = self._parts()
        mine = [
            one
            for one, _ in self._known.items()
            if one.optimizer is scheduler.optimizer and id(one) not in parts
        ]
        self._state.session.emit(
            Schedule(
                step=self._state.session.step,
                id=known.id,
                name=type(scheduler).__name__,
                site=known.site,
                optimizer=self._state.optimizer(scheduler.optimizer).id,
                taken=self._steps_of(scheduler),
                calls=known.calls,
                stepped=known.stepped,
                length=length,
                argument=argument,
                early=known.early,
                opening=known.opening,
                between=known.between,
                changed=known.changed,
                torchs=type(scheduler).__module__.startswith("torch."),
                siblings=len(mine) - 1,
            )
        )

    def _parts(self) -> set[int]:
        """The schedulers that another one steps."""
        return {
            id(part)
            for scheduler, _ in self._known.items()
            for part in getattr(scheduler, "_schedulers", ())
        }

    def finish(self) -> None:
        """At the end: all that is known, of each that no other scheduler steps."""
        parts = self._parts()
        for scheduler, known in self._known.items():
            if id(scheduler) not in parts:
                self._tell(scheduler, known)


def install(state: State, patches: Patches) -> None:
    """Patch each class that has a constructor or a `step` of its own."""
    schedulers = Schedulers(state, patches)
    for cls in list(vars(lr_scheduler).values()):
        # The module knows optimizers too.
        if not isinstance(cls, type) or not hasattr(cls, "step") or issubclass(cls, Optimizer):
            continue
        if "__init__" in vars(cls):
            patches.replace(cls, "__init__", schedulers.making)
        if "step" in vars(cls):
            patches.replace(cls, "step", schedulers.stepping)
    state.session.at_end.append(state.session.guarded(schedulers.finish))


def _rates(optimizer: Any) -> list[float]:
    """Those that are plain numbers; to ask a tensor might mean to wait for a GPU."""
    rates = (group.get("lr") for group in optimizer.param_groups)
    return [rate for rate in rates if isinstance(rate, (int, float))]


def _length(scheduler: Any) -> tuple[str, int | None]:
    for name in _LENGTHS:
        value = getattr(scheduler, name, None)
        if isinstance(value, int) and value > 0:
            return name, value
    # transformers keeps what it was told in the function that computes the factor.
    for factor in getattr(scheduler, "lr_lambdas", ()):
        value = getattr(factor, "keywords", {}).get("num_training_steps")
        if isinstance(value, int) and value > 0:
            return "num_training_steps", value
    return "", None
