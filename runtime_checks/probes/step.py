"""`optimizer.step()`: gradient norms, learning rates, how far the weights moved."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch.optim import optimizer as hooks

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes import nonfinite
from trainlint.runtime_checks.probes.backward import choose_witness, keep_witness, was_stale
from trainlint.runtime_checks.probes.strides import Alike, Strides
from trainlint.runtime_checks.probes.updates import Snapshot, take_snapshot
from trainlint.runtime_checks.readings import Reading
from trainlint.runtime_checks.record import OptimizerInfo, Site, Step
from trainlint.runtime_checks.state import OptimizerState, State

# Measuring how far weights moved needs a copy of them. No divisor of the window's stride: the two
# meet now and then.
SAMPLE_EVERY = 10


@dataclass
class _Gradients:
    """What an optimizer's parameters held."""

    parameters: list[Any]
    present: list[int]
    reading: Reading
    skipped: Reading | None = None
    scale: Reading | None = None

    def norms(self) -> list[float]:
        """Norm per parameter as it is consumed, 0 where there is no gradient."""
        factor = self.scale.values[0] if self.scale else 1.0
        found = [0.0] * len(self.parameters)
        for index, value in zip(self.present, self.reading.values, strict=True):
            found[index] = value / factor
        return found


@dataclass
class _Running:
    """A step that has begun and not ended."""

    optimizer: Any
    frame: FrameType | None
    site: Site | None
    gradients: _Gradients | None
    snapshot: Snapshot | None
    lrs: list[float] = field(default_factory=list)


class Steps:
    """Sees every optimizer's step; of one inside another's, only the outer one."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running: _Running | None = None
        self._begin = state.session.guarded(self._begun)
        self._end = state.session.guarded(self._ended)
        self._strides = Strides(state)
        self.count = 0

    def before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Global hook before a step."""
        if self._state.session.here() and not self._is_inside():
            closure = len(args) > 1 or kwargs.get("closure") is not None
            self._running = None
            self._begin(optimizer, closure, sys._getframe(1))

    def after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Global hook after a step."""
        running = self._running
        if running is None or running.optimizer is not optimizer:
            return
        if not self._state.session.here():
            return
        self._running = None
        self._state.stepping = False
        self._end(running)
        self._state.session.check_budget()

    def skipped(self, optimizer: Any) -> None:
        """A GradScaler found gradients that are not finite, and did not step."""
        self._ended(_Running(optimizer, None, user_site(), None, None, _lrs(optimizer)), True)

    def _is_inside(self) -> bool:
        """Whether the step that began last is still on the stack: if not, it raised."""
        if self._running is None:
            return False
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame is not self._running.frame:
            frame = frame.f_back
        return frame is not None

    def _begun(self, optimizer: Any, closure: bool, frame: FrameType) -> None:
        state = self._state
        known = state.optimizer(optimizer)
        running = _Running(optimizer, frame, user_site(), None, None, _lrs(optimizer))
        self._running = running
        if closure:
            # The closure computes the gradients that count; they are there after the step.
            state.stepping = True
        else:
            for change in state.session.before_step:
                change(optimizer)
            if self._is_close(known):
                running.gradients = self._measure(optimizer)
            for look in state.before_update:
                look(optimizer)
        if state.window.is_open and known.own % SAMPLE_EVERY == 0:
            # Frozen tensors where there is nothing else: some optimizers move them all the same.
            running.snapshot = take_snapshot(
                gradients.trainable(optimizer) or gradients.held(optimizer)
            )

    def _is_close(self, known: OptimizerState) -> bool:
        """Whether a step is looked at closely: an optimizer's first two always are."""
        return self._state.window.is_open or known.own < 2

    def _measure(self, optimizer: Any) -> _Gradients:
        parameters = gradients.trainable(optimizer)
        present = [i for i, parameter in enumerate(parameters) if parameter.grad is not None]
        read = self._state.readings.read
        # A GradScaler hands it to a fused optimizer, which takes the scale out itself.
        scale = getattr(optimizer, "grad_scale", None)
        return _Gradients(
            parameters,
            present,
            read(gradients.norms([parameters[i].grad for i in present])),
            self._left_out(optimizer),
            read([scale.detach().clone()]) if isinstance(scale, torch.Tensor) else None,
        )

    def _left_out(self, optimizer: Any) -> Reading | None:
        """What a GradScaler tells a fused optimizer: whether its step must do nothing."""
        found = getattr(optimizer, "found_inf", None)
        return self._state.readings.read([found]) if isinstance(found, torch.Tensor) else None

    def _ended(self, running: _Running, skipped: bool = False) -> None:
        state = self._state
        self.count += 1
        known = state.optimizer(running.optimizer)
        if running.gradients is not None or self._is_close(known):
            skipped = self._ended_close(running, known, skipped)
        else:
            skipped = self._ended_light(running, known, skipped)
        if not skipped:
            for look in state.after_update:
                look(running.optimizer)
        state.backwards = 0
        known.own += 1
        state.session.step += 1
        state.window.stepped(state.session.step)
        state.session.beat()
        state.session.happened(state.session.after_step)

    def _ended_close(self, running: _Running, known: OptimizerState, skipped: bool) -> bool:
        """Norms per tensor, and the weights; whether the step was left out."""
        state = self._state
        self._strides.close()
        found = running.gradients or self._measure(running.optimizer)
        ratio = running.snapshot.ratio(state.readings) if running.snapshot else None
        state.readings.sync()
        names = [_name(state, parameter) for parameter in found.parameters]
        # Again after the first step: a thread is watched from its first backward on, when its model
        # has been called already.
        if known.own == 0 or (known.own == 1 and known.nameless):
            known.nameless = "?" in names
            state.session.emit(_describe(state, running.optimizer, known, names))
        skipped = skipped or bool(found.skipped and found.skipped.values[0] > 0)
        line = _line(state, known, running, found, ratio, skipped)
        state.session.emit(line)
        if not skipped:
            self._check(running, names, found, line)
        choose_witness(known, found.parameters, found.norms(), state.readings)
        return skipped

    def _ended_light(self, running: _Running, known: OptimizerState, skipped: bool) -> bool:
        """What costs nothing; the witness of stale gradients stays the one that it was."""
        state = self._state
        left_out = self._left_out(running.optimizer)
        skipped = skipped or bool(left_out and left_out.values[0] > 0)
        parameters = gradients.trainable(running.optimizer)
        with_grad = sum(parameter.grad is not None for parameter in parameters)
        self._strides.add(
            known.id,
            known.own,
            Alike(
                running.site,
                with_grad,
                len(parameters),
                bool(with_grad) and was_stale(known),
                known.backwards,
                skipped,
                0 if parameters else _frozen(running.optimizer),
            ),
            running.lrs,
        )
        keep_witness(known, state.readings)
        return skipped

    def _check(self, running: _Running, names: list[str], found: _Gradients, line: Step) -> None:
        """Look for numbers that are none; at the weights where there is cause, or at samples."""
        state = self._state
        bad = nonfinite.check_norms(state, "gradient", running.site, names, line.norms or [])
        if (bad or running.snapshot) and "weight" not in state.nonfinite:
            weights = state.readings.read(gradients.norms(found.parameters)).values
            nonfinite.check_norms(state, "weight", running.site, names, weights)


def install(state: State, patches: Patches) -> Steps:
    """Hook every optimizer's step."""
    steps = Steps(state)
    patches.keep(hooks.register_optimizer_step_pre_hook(steps.before))
    patches.keep(hooks.register_optimizer_step_post_hook(steps.after))
    return steps


def _line(
    state: State,
    known: OptimizerState,
    running: _Running,
    found: _Gradients,
    ratio: float | None,
    skipped: bool,
) -> Step:
    after = found.norms()
    before = [
        norm if (clipped := state.clipped.before(parameter)) is None else clipped
        for parameter, norm in zip(found.parameters, after, strict=True)
    ]
    return Step(
        step=state.session.step,
        own=known.own,
        optimizer=known.id,
        site=running.site,
        seconds=state.session.seconds,
        lrs=running.lrs,
        loss=state.last_loss(),
        norm=gradients.total(before),
        norm_after=gradients.total(after),
        norms=before,
        with_grad=len(found.present),
        total=len(found.parameters),
        stale=was_stale(known) and any(after),
        backwards=known.backwards,
        skipped=skipped,
        update_ratio=ratio,
        frozen=0 if found.parameters else _frozen(running.optimizer),
    )


def _frozen(optimizer: Any) -> int:
    """How many tensors it holds, where none of them has a gradient."""
    held = gradients.held(optimizer)
    return 0 if any(parameter.grad is not None for parameter in held) else len(held)


def _describe(
    state: State, optimizer: Any, known: OptimizerState, names: list[str]
) -> OptimizerInfo:
    owners = [state.names.get(parameter) for parameter in gradients.trainable(optimizer)]
    return OptimizerInfo(
        id=known.id,
        name=type(optimizer).__name__,
        site=state.sites.get(optimizer),
        parameters=names,
        models=sorted({owner[0] for owner in owners if owner is not None}),
    )


def _name(state: State, parameter: Any) -> str:
    owner = state.names.get(parameter)
    return owner[1] if owner is not None else "?"


def _lrs(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups if group.get("lr") is not None]
