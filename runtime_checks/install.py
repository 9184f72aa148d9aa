"""Puts all probes in place, as soon as torch is there, and takes every one out again."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from trainlint.runtime_checks.budget import Stopped
from trainlint.runtime_checks.imports import Action, after_import
from trainlint.runtime_checks.lines import SeenLines, watch_lines
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.record import Lines
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.trials.trial import Trial

if TYPE_CHECKING:
    from trainlint.runtime_checks.state import State

_WRITERS = ("torch.utils.tensorboard", "tensorboardX")


@contextmanager
def watching(
    session: Session,
    *,
    trial: Trial | None = None,
    around: dict[str, Any] | None = None,
    look_at: int | None = None,
) -> Iterator[None]:
    """Observe all that happens inside; tell the session's probes at the end.

    `around` are the global names of a loop that is watched from inside. With `look_at`, every
    operation is looked at from that step on.
    """
    seen = SeenLines()
    probes = _Probes(session, trial, around, seen, look_at)
    actions: dict[str, Action] = {"torch": probes.with_torch}
    actions["multiprocessing.process"] = probes.with_processes
    actions.update({name: partial(probes.with_writer, name) for name in _WRITERS})
    with ExitStack() as stack:
        stack.enter_context(probes.patches)
        probes.patches.replace(os, "_exit", lambda original: _told(session, original))
        stack.enter_context(after_import(actions))
        stack.enter_context(watch_lines(seen))
        stack.enter_context(_quiet_threads())
        try:
            yield
        finally:
            whole = seen.whole  # the end pauses it too
            session.finish()
            for path, lines in seen.by_path.items():
                session.emit(Lines(path, sorted(lines), whole))


def _told(session: Session, original: Any) -> Any:
    """`os._exit`, after the probes have been told: what waits to be written is written."""

    @functools.wraps(original)
    def _exit(status: int) -> None:
        if session.is_ours():
            session.finish()
        original(status)

    return _exit


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """A thread that the budget ends prints no traceback."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, Stopped):
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        if threading.excepthook is hook:
            threading.excepthook = before


class _Probes:
    """What is put in place once a module is imported."""

    def __init__(
        self,
        session: Session,
        trial: Trial | None,
        around: dict[str, Any] | None,
        seen: SeenLines,
        look_at: int | None,
    ) -> None:
        self._session = session
        self._trial = trial
        self._state: State | None = None
        self._around = around
        self._seen = seen
        self._look_at = look_at
        self.patches = Patches(around)

    def with_torch(self) -> None:
        """All probes but the writers'."""
        # Each imports torch, which must be the script's doing.
        from trainlint.runtime_checks.probes import (
            activations,
            backward,
            bad_inputs,
            batches,
            births,
            clip,
            compiling,
            device,
            dropping,
            freezing,
            freshness,
            inputs,
            leaks,
            loading,
            loss_arguments,
            losses,
            models,
            modes,
            movement,
            origins,
            precision,
            resources,
            scaler,
            schedules,
            squares,
            step,
            symmetry,
            unheld,
        )
        from trainlint.runtime_checks.state import State

        state = self._state = State(self._session, self._around)
        patient = self._session.patient
        state.window.watch(lambda: patient(False), lambda: patient(True))
        state.window.follow(self._seen.resume, self._seen.pause)
        births.install(state, self.patches)
        freshness.install(state, self.patches)
        models.install(state, self.patches)
        losses.install(state, self.patches)
        loss_arguments.install(state)
        squares.install(state)
        backward.install(state, self.patches)
        clip.install(state, self.patches)
        scaler.install(state, self.patches, step.install(state, self.patches))
        unheld.install(state)
        if self._trial is not None and self._trial.name == "one-batch":
            self._trial.install(state, self.patches)
        # Before that of loading, which looks at who calls it.
        resources.install(state, self.patches)
        loading.install(state, self.patches)
        leaks.install(state, batches.install(state))
        bad_inputs.install(state)
        inputs.install(state)
        schedules.install(state, self.patches)
        movement.install(state)
        freezing.install(state)
        symmetry.install(state)
        activations.install(state, self.patches)
        precision.install(state, self.patches)
        compiling.install(state, self.patches)
        device.install(state)
        modes.install(state, self.patches)
        dropping.install(state, self.patches)
        self._session.at_end += [state.window.close, state.readings.sync]
        if self._look_at is not None:
            origins.install(state, self.patches, self._look_at)
        if self._trial is not None and self._trial.name != "one-batch":
            self._trial.install(state, self.patches)

    def with_processes(self) -> None:
        """The probe of what the script starts."""
        from trainlint.runtime_checks.probes import processes

        processes.install(self._session, self.patches)

    def with_writer(self, name: str) -> None:
        """The probe of a SummaryWriter."""
        from trainlint.runtime_checks.probes import writer

        if self._state is None:
            self.with_torch()
        assert self._state is not None
        writer.install(self._state, self.patches, sys.modules[name])
