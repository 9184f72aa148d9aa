"""Starts the watched process, passes on what it must, and survives whatever becomes of it.

The parent never imports torch.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from trainlint.runtime_checks.record import End, Line, Run, dump_line, parse_lines, read_record

# Not `-m`: that puts the working folder first on sys.path, and a user's json.py before Python's.
_BOOTSTRAP = (
    "import sys; sys.path[:1] = [p for p in sys.path[:1] if p]; "
    "from trainlint.runtime_checks.child import main; main()"
)

# Seconds past the budget after which the process is stopped from outside; the child's own
# watchdog comes first.
HUNG_AFTER = 15.0
# Seconds between asking a process to end, and making it.
PATIENCE = 5.0
_POLL = 0.05

_HIDDEN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class RunnerError(Exception):
    """The script cannot be run; the text says why, with a hint."""


@dataclass(frozen=True)
class Options:
    """The bounds of a run, in optimizer steps and seconds, and its trial as it is written."""

    max_steps: int = 300
    max_seconds: float = 60.0
    device: str | None = None
    trial: str | None = None


def observe(
    script: Path,
    arguments: Sequence[str],
    options: Options,
    *,
    record: Path,
    progress: Callable[[Line], None] | None = None,
    stdout: IO[Any] | None = None,
) -> Run:
    """Run a script under observation to its end or the budget's; raises RunnerError.

    Standard input, output and error are the caller's, but for an output given as `stdout`.
    Interrupted, both processes end, and what was measured until then is returned.
    """
    if find_spec("torch") is None:
        raise RunnerError(
            f"error: torch is not installed for {sys.executable}\n"
            "  help: pip install 'torch-trainlint[run]', or use the Python that trains"
        )
    command = [
        sys.executable, "-c", _BOOTSTRAP, str(record), str(options.max_steps),
        str(options.max_seconds), options.device or "", options.trial or "", str(script),
        *arguments,
    ]  # fmt: skip
    record.touch()
    began = time.monotonic()
    try:
        # A session of its own, so that all that it starts can be ended with it.
        process = subprocess.Popen(
            command, env=_environment(options), stdout=stdout, start_new_session=True
        )
    except OSError as error:
        raise RunnerError(f"error: the script could not be started: {error}") from None
    watched = _Watched(process, record, progress)
    hung = watched.follow(began + options.max_seconds + HUNG_AFTER)
    run = read_record(record)
    if run.end is None:
        end = _end_of(process.returncode, hung, len(run.steps), time.monotonic() - began)
        run.add(end)
        with open(record, "a", encoding="utf-8") as file:
            file.write("\n" + dump_line(end))  # the line before may be torn
    return run


def _environment(options: Options) -> dict[str, str]:
    environment = dict(os.environ)
    if options.device == "cpu":
        environment.update(dict.fromkeys(_HIDDEN, ""))
    return environment


def _end_of(status: int, hung: bool, steps: int, seconds: float) -> End:
    """The end of a process that left no word of it."""
    reason = "hung" if hung else "killed" if status < 0 else "vanished"
    return End(reason, steps, seconds, status)


class _Watched:
    """A running child."""

    def __init__(
        self, process: subprocess.Popen[Any], record: Path, progress: Callable[[Line], None] | None
    ) -> None:
        self._process = process
        self._tail = _Tail(record, progress)

    def follow(self, deadline: float) -> bool:
        """Wait for its end, passing on signals; whether it hung, and had to be stopped."""
        hung = False
        with _signals_passed_on(self._process):
            while self._process.poll() is None:
                self._tail.read()
                if self._tail.ended_at is not None:
                    deadline = min(deadline, self._tail.ended_at + PATIENCE)
                if time.monotonic() > deadline:
                    hung = True
                    self._stop()
                    break
                time.sleep(_POLL)
        self._tail.read()
        self._process.wait()
        _signal_group(self._process.pid, signal.SIGKILL)  # data workers, and what it forked
        return hung

    def _stop(self) -> None:
        """Ask, then make it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            _signal_group(self._process.pid, number)
            try:
                self._process.wait(PATIENCE)
                return
            except subprocess.TimeoutExpired:
                continue


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
def _signals_passed_on(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Hand signals to the child: Ctrl-C interrupts it, a second one ends it at once."""
    interrupts = 0

    def pass_on(number: int, _: object) -> None:
        nonlocal interrupts
        if number == signal.SIGINT:
            interrupts += 1
            _signal_group(process.pid, signal.SIGINT if interrupts == 1 else signal.SIGKILL)
        else:
            _signal_group(process.pid, number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [getattr(signal, name) for name in ("SIGHUP", "SIGQUIT") if hasattr(signal, name)]
    try:
        before = {number: signal.signal(number, pass_on) for number in numbers}
    except ValueError:
        before = {}  # not in the main thread: signals are someone else's
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
