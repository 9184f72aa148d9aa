"""A limit to the time that one file may take.

Another thread looks at the clock and raises `OutOfTime` in the one that works, so that nothing has
to be asked in the loops of rules, and no loop can be forgotten. It comes between two steps of
Python; what runs as one step (a regular expression) is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Seconds of processor time, where nothing else is said: a hundred times what large files take.
TIME_LIMIT = 60.0

_LOOK = 0.25  # seconds between two looks at the clock
_AGAIN = 1.0  # seconds until it is raised once more, where it was lost


class OutOfTime(BaseException):
    """A file took longer than it may; a BaseException, as rules that fail are caught."""


class Limiter:
    """Ends what takes too long: `run` in the thread that works, `watch` in one that waits for it.

    What counts is the processor time of the working thread, or of the process where a system
    does not tell that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock: Callable[[], float] = time.process_time
        self._thread = 0
        self._ends: float | None = None  # by the clock; None while nothing is to be ended

    def run(self, seconds: float, function: Callable[[], T], instead: Callable[[], T]) -> T:
        """What a function returns, or `instead` of it where it takes longer; 0 is no limit."""
        if not seconds:
            return function()
        result: list[T] = []
        try:
            try:
                self._begin(seconds)
                result.append(function())
            finally:
                self._end()
                _settle()
        except OutOfTime:
            self._end_for_sure()
        return result[0] if result else instead()

    def watch(self) -> float:
        """Raise what is due, and say after how many seconds to look again."""
        with self._lock:
            if self._ends is None:
                return _LOOK
            left = self._ends - self._clock()
            if left > 0:
                return min(left, _LOOK)
            _raise_in(self._thread)
            return _AGAIN

    def _begin(self, seconds: float) -> None:
        thread = threading.get_ident()
        if thread != self._thread:
            self._thread, self._clock = thread, _clock_of(thread)
        self._ends = self._clock() + seconds

    def _end(self) -> None:
        """Have nothing raised from here on; what was before may still be on its way."""
        with self._lock:
            self._ends = None

    def _end_for_sure(self) -> None:
        while self._ends is not None:
            try:
                self._end()
            except OutOfTime:
                continue


def _settle() -> None:
    """Take a step: what is on its way to this thread comes here at the latest."""


def _clock_of(thread: int) -> Callable[[], float]:
    """The processor time of a thread that is alive; when it has ended, 0."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.process_time
    clock = time.pthread_getcpuclockid(thread)

    def spent() -> float:
        try:
            return time.clock_gettime(clock)
        except OSError:
            return 0.0

    return spent


def _raise_in(thread: int) -> None:
    import ctypes  # only where it is needed

    raised = ctypes.py_object(OutOfTime)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
