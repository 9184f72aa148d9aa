"""What the probes of one watched run share: the record, the counters, the budget.

Torch-free until `Readings` is needed, so that a child can start before its script imports torch.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from threading import get_ident
from typing import Any, TypeVar

from trainlint.runtime_checks.budget import Budget, Stopped
from trainlint.runtime_checks.record import End, Line, Note, Start

F = TypeVar("F", bound=Callable[..., Any])


class Session:
    """One watched run.

    `step` counts optimizer steps. `before_root` (with the model that the script calls),
    `before_backward`, `after_step` and `at_end` are called by the probes that see these events;
    `before_step` gets the optimizer, and may change its gradients (only a trial does).
    """

    def __init__(self, write: Callable[[Line], None], budget: Budget | None = None) -> None:
        self._write = write
        self.budget = budget
        self.began = budget.began if budget is not None else time.monotonic()
        self.step = 0
        self.stopped: str | None = None
        self.cut = False  # a training pass was cut short
        self.before_root: list[Callable[[Any], None]] = []
        self.before_backward: list[Callable[[], None]] = []
        self.before_step: list[Callable[[Any], None]] = []
        self.after_step: list[Callable[[], None]] = []
        self.at_end: list[Callable[[], None]] = []
        # Told once, after the first step: the device on which the script trains.
        self.on_device: Callable[[str], None] = lambda device: None
        # Told whether the lines of the record may wait for each other.
        self.patient: Callable[[bool], None] = lambda patient: None
        # Makes a loss function one whose values without a graph are an evaluation.
        self.watch_loss: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda loss: loss
        # Called when another thread than before is watched.
        self.at_adoption: list[Callable[[], None]] = []
        self.children = 0  # processes that the script started
        # Adds to the last line where the script stood when its time was up.
        self.late: Callable[[End], End] = lambda end: end
        # Ends the process at once; the child sets it, for scripts that swallow `Stopped`.
        self.abandon: Callable[[str], None] | None = None
        self._finished = False
        self._is_copy = False  # in a forked child
        _tell_copies(self)
        self._thread = threading.get_ident()
        self._noted: set[str] = set()
        # When a probe last saw something of the training, and the longest pause since it began.
        self._beaten = self.began
        self.longest = 0.0
        self._numbers = 0

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    @property
    def idle(self) -> float:
        """Seconds since something of the training was last seen."""
        return time.monotonic() - self._beaten

    def beat(self) -> None:
        """Something of the training is seen: a step, a backward, a batch, a model's call."""
        now = time.monotonic()
        if self.step:
            self.longest = max(self.longest, now - self._beaten)
        self._beaten = now

    def here(self) -> bool:
        """False in a forked child and in threads that do not train: they are not watched."""
        return get_ident() == self._thread and not self._is_copy

    def is_ours(self) -> bool:
        """False in a forked child."""
        return not self._is_copy

    def adopt(self) -> bool:
        """Watch the thread that calls, which trains, from now on; False where another one is.

        One thread is watched at a time: the first that trains, and after its end another.
        """
        if not self.is_ours():
            return False
        if self.step and self.trainer() is not None:
            self.note("training in more than one thread: only the first of them was watched")
            return False
        self._thread = threading.get_ident()
        self.happened(self.at_adoption)
        return True

    def trainer(self) -> threading.Thread | None:
        """The thread that is watched, while it lives."""
        return next((one for one in threading.enumerate() if one.ident == self._thread), None)

    def ended(self, end: End) -> End:
        """The last line, with what is known of the end beside it."""
        return replace(self.late(end), children=self.children)

    def number(self) -> int:
        """A new number for a model, optimizer, loader or writer."""
        self._numbers += 1
        return self._numbers

    def emit(self, line: Line) -> None:
        """Write one line of the record."""
        if not self._is_copy:
            self._write(line)

    def begin(self, start: Start) -> None:
        """Write the first line; again once device and torch's version are known."""

        def on_device(device: str) -> None:
            version = getattr(sys.modules.get("torch"), "__version__", "")
            self.emit(replace(start, torch=str(version), device=device))

        self.on_device = on_device
        self.emit(start)

    def note(self, text: str) -> None:
        """Write a note, once."""
        if text not in self._noted:
            self._noted.add(text)
            self.emit(Note(text))

    def guarded(self, function: F) -> F:
        """A probe that never disturbs the script: its own errors become a note."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                self.note(f"not measured ({function.__name__}): {type(error).__name__}: {error}")
                return None

        return wrapper  # type: ignore[return-value]

    def check_budget(self) -> None:
        """Raise `Stopped` once the budget is spent; called where unwinding the script is safe."""
        reason = self.stopped or (self.budget.spent(self.step) if self.budget else None)
        if reason is not None:
            self.stop(reason)

    def stop(self, reason: str) -> None:
        """End the script; a script that goes on after the first time loses its process."""
        if self.stopped is not None and self.abandon is not None:
            self.abandon(self.stopped)
        self.stopped = self.stopped or reason
        raise Stopped(self.stopped)

    def happened(self, actions: list[Callable[[], None]]) -> None:
        """Call what the probes wanted to do at this event."""
        for action in list(actions):
            action()

    def finish(self) -> None:
        """Tell the probes, once, that nothing more will come."""
        if self._finished:
            return
        self._finished = True
        for action in self.at_end:
            self.guarded(action)()
        self.patient(False)

    def become_copy(self) -> None:
        """In a forked child: nothing is watched here."""
        self._is_copy = True


def _tell_copies(session: Session) -> None:
    """Asking for the process's number at every event would cost more than the event."""
    known = weakref.ref(session)

    def forked() -> None:
        one = known()
        if one is not None:
            one.become_copy()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forked)
