"""Follows the watched process from outside: its record, the signals, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trainlint.runtime_checks.record import End, Line, parse_lines

# Seconds between asking a process to end, and making it.
PATIENCE = 5.0
_POLL = 0.05
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


@dataclass(frozen=True)
class Ending:
    """How a process ended: its exit status, negative for a signal, and what was done to it."""

    status: int
    hung: bool = False  # it had to be stopped
    interrupted: bool = False  # by Ctrl-C


class NotStarted(Exception):
    """The process could not be started."""


class Watched:
    """The watched process and all that it starts."""

    def __init__(self, record: Path, progress: Callable[[Line], None] | None = None) -> None:
        self._tail = _Tail(record, progress)
        self._process: subprocess.Popen[Any] | None = None
        self._until = 0.0
        self._asked = False
        self._hung = False
        self._interrupts = 0
        self._terminated = 0

    def follow(
        self,
        command: Sequence[str],
        *,
        seconds: float,
        env: Mapping[str, str] | None = None,
        stdout: IO[Any] | int | None = None,
    ) -> Ending:
        """Start it and wait for its end, stopping it after `seconds`; raises NotStarted.

        Raises SystemExit once it has ended where we were asked to terminate.
        """
        self._until = time.monotonic() + seconds
        with _signals_to(self._receive):
            process = self._process = _start(command, env, stdout)
            try:
                self._wait(process)
            finally:
                self._end_all(process)
        self._tail.read()
        if self._terminated:
            raise SystemExit(128 + self._terminated)
        return Ending(process.returncode, self._hung, self._interrupts > 0)

    def _wait(self, process: subprocess.Popen[Any]) -> None:
        while process.poll() is None:
            self._tail.read()
            if self._tail.ended_at is not None:
                self._until = min(self._until, self._tail.ended_at + PATIENCE)
            if time.monotonic() > self._until:
                self._press()
            time.sleep(_POLL)

    def _press(self) -> None:
        """Its time is up: ask it to end, and the next time make it."""
        ended = self._tail.ended_at is not None
        self._hung = self._hung or not (ended or self._interrupts or self._terminated)
        self._signal(signal.SIGKILL if self._asked else signal.SIGTERM)
        self._signal(signal.SIGCONT)  # one that is stopped would never hear of it
        self._asked = True
        self._until = time.monotonic() + PATIENCE

    def _receive(self, number: int) -> None:
        """Pass a signal on; a second Ctrl-C ends the process at once."""
        self._until = min(self._until, time.monotonic() + PATIENCE)
        if number != signal.SIGINT:
            self._terminated = number
        else:
            self._interrupts += 1
        self._signal(signal.SIGKILL if self._interrupts > 1 else number)

    def _end_all(self, process: subprocess.Popen[Any]) -> None:
        """End its data workers, and whatever else it started and left."""
        self._signal(signal.SIGKILL)
        process.wait()

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def _start(
    command: Sequence[str], env: Mapping[str, str] | None, stdout: IO[Any] | int | None
) -> subprocess.Popen[Any]:
    try:
        # A session of its own, so that all that it starts can be ended with it.
        return subprocess.Popen(command, env=env, stdout=stdout, start_new_session=True)
    except OSError as error:
        raise NotStarted(str(error)) from error


class _Tail:
    """Reads a record as it grows; `ended_at` is when its last line was seen."""

    def __init__(self, record: Path, progress: Callable[[Line], None] | None) -> None:
        self._record = record
        self._progress = progress
        self._at = 0
        self.ended_at: float | None = None

    def read(self) -> None:
        """Hand on the lines that are new and whole."""
        with open(self._record, "rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in parse_lines(whole.decode("utf-8", "replace").splitlines()):
            if isinstance(line, End):
                self.ended_at = time.monotonic()
            if self._progress is not None:
                self._progress(line)


@contextmanager
def _signals_to(receive: Callable[[int], None]) -> Iterator[None]:
    """Hand signals to `receive`, but for those that are ignored; those of the main thread only."""

    def handle(number: int, _: object) -> None:
        receive(number)

    known = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before: dict[int, Any] = {}
    try:
        for number in known:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    except ValueError:
        pass  # not in the main thread: signals are someone else's
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
