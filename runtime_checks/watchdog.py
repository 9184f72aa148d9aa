"""The end of a watched process whose script does not come to one by itself."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from trainlint.runtime_checks.budget import Stopped
from trainlint.runtime_checks.record import End
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.waiting import Work, is_long_idle, standing

# Seconds past the budget after which the script is interrupted, and given up.
INTERRUPT_AFTER = 1.0
GIVE_UP_AFTER = 6.0


class OutOfTime(Stopped):
    """Raised in the script's thread when it does not come to a place where it could end.

    Why is told by `Session.stopped`: whatever is raised in another thread takes no arguments.
    """

    def __init__(self) -> None:
        super().__init__("seconds")


def abandon(session: Session, reason: str) -> None:
    """End the process at once, with a word; what was measured is in the record."""
    session.finish()
    session.emit(session.ended(End(reason, session.step, session.seconds)))
    flush_streams()
    os._exit(0)


def flush_streams() -> None:
    """What the script printed; a stream that it closed, or that is full, is its own affair."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


class Watchdog(threading.Thread):
    """Ends a script that comes to no step and no batch when its time is up."""

    def __init__(self, session: Session) -> None:
        super().__init__(name="trainlint watchdog", daemon=True)
        self._session = session
        self._script_thread = threading.get_ident()

    def run(self) -> None:
        """Interrupt first; a script that is deep in native code loses its process."""
        budget = self._session.budget
        assert budget is not None
        session = self._session
        self._sleep_until(budget.max_seconds)
        work = Work()
        self._sleep_until(budget.max_seconds + INTERRUPT_AFTER)
        if session.stopped is None:
            self._tell_where()
            session.stopped = "hung" if is_long_idle(session) and work.is_quiet() else "seconds"
            _raise_in(self._script_thread, OutOfTime)
        self._sleep_until(budget.max_seconds + GIVE_UP_AFTER)
        abandon(session, session.stopped)

    def _tell_where(self) -> None:
        session = self._session
        trains = session.trainer()
        at = standing(trains.ident if trains and trains.ident else self._script_thread)
        session.late = lambda end: (
            replace(end, site=at.site, inside=at.inside, idle=session.idle)
            if end.reason in ("seconds", "hung")
            else end
        )

    def _sleep_until(self, seconds: float) -> None:
        while (left := seconds - self._session.seconds) > 0:
            time.sleep(left)


def _raise_in(thread: int, error: Callable[[], BaseException]) -> None:
    """Raise in another thread, at its next bytecode."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
