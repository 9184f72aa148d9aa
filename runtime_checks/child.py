"""The watched process: runs a script as `__main__`, observed, within its budget.

Started by the runner as `child RECORD OPTIONS SCRIPT [ARGUMENTS]`, the options as JSON. Never
imports libcst, and torch only once the script does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from trainlint.runtime_checks.budget import Budget, Stopped
from trainlint.runtime_checks.imports import after_import
from trainlint.runtime_checks.install import watching
from trainlint.runtime_checks.places import claim, is_ours
from trainlint.runtime_checks.raising import raised_by, site_of
from trainlint.runtime_checks.record import End, Line, Start
from trainlint.runtime_checks.record_file import RecordFile
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.trials.trial import parse_trial
from trainlint.runtime_checks.watchdog import Watchdog, abandon, flush_streams

# Seconds that lines may wait to be written.
PATIENCE = 0.25


class Recorder:
    """Writes lines to the record, each at once: what follows may be the end of the process.

    While it is patient, lines wait for each other, for a quarter of a second at most: a script that
    takes a thousand steps a second would wait for the disk at each.
    """

    def __init__(self, path: str) -> None:
        self._file = RecordFile(path)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._ended = False
        self._waiting: list[Line] = []
        self._patient = False
        self._written = time.monotonic()

    def be_patient(self, patient: bool) -> None:
        """Whether lines may wait from now on; those that do are written once they may not."""
        with self._lock:
            self._patient = patient
            if self._waiting and not patient and os.getpid() == self._pid:
                self._flush()

    def write(self, line: Line) -> None:
        """Append one line; nothing from a forked process, and nothing after the end."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._ended:
                return
            self._ended = isinstance(line, End)
            self._waiting.append(line)
            if not self._may_wait():
                self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._written = time.monotonic()
        self._file.append(waiting)

    def _may_wait(self) -> bool:
        soon = time.monotonic() - self._written < PATIENCE
        return self._patient and soon and not self._ended


def main(arguments: list[str] | None = None) -> None:
    """Run the script; ends the process with the script's own exit status."""
    record, given, script, *rest = arguments or sys.argv[1:]
    options = _Options(**json.loads(given))
    recorder = Recorder(record)
    budget = Budget(options.max_steps, options.max_seconds, options.whole_passes)
    session = Session(recorder.write, budget)
    start = Start(
        script=os.path.abspath(script),
        argv=rest,
        torch="",
        python=sys.version.split()[0],
        device=options.device or "",
        max_steps=options.max_steps,
        max_seconds=options.max_seconds,
        trial=options.trial,
    )
    session.patient = recorder.be_patient
    session.begin(start)
    session.abandon = lambda reason: abandon(session, reason)
    Watchdog(session).start()
    status = _Child(session, script, rest, options).run()
    flush_streams()
    sys.exit(status)


@dataclass(frozen=True)
class _Options:
    """What `runner.Options` says."""

    max_steps: int
    max_seconds: float
    device: str | None
    trial: str | None
    whole_passes: bool
    look_at: int | None
    seeded: bool


class _Child:
    """One script and what becomes of it."""

    def __init__(
        self, session: Session, script: str, arguments: list[str], options: _Options
    ) -> None:
        self._session = session
        self._script = script
        self._arguments = arguments
        self._options = options
        self._trial = parse_trial(options.trial) if options.trial else None

    def run(self) -> int:
        """Run it to its end, whatever that is; its exit status."""
        session = self._session
        pid = os.getpid()
        reason, status = "finished", 0
        text, site = "", None
        try:
            with (
                after_import(self._actions()),
                watching(session, trial=self._trial, look_at=self._options.look_at),
            ):
                try:
                    self._execute()
                    reason = _await_training(session) or reason
                except Stopped as stopped:
                    reason = session.stopped or stopped.reason
                except SystemExit as exit_:
                    reason, status = "exit", _status_of(exit_)
                    text = exit_.code if isinstance(exit_.code, str) else ""
                    site = site_of(exit_)
                except KeyboardInterrupt:
                    reason, status = "interrupted", 130
                except BaseException as error:
                    reason, status = self._raised(error)
        finally:
            if os.getpid() == pid:
                end = End(reason, session.step, session.seconds, status, text, site)
                session.emit(session.ended(end))
        return status

    def _actions(self) -> dict[str, Callable[[], None]]:
        """What is done once a module has been imported."""
        actions: dict[str, list[Callable[[], None]]] = {}
        if self._options.device == "cpu":
            actions.setdefault("torch", []).append(_hide_accelerators)
        if self._options.seeded:
            random.seed(SEED)
            actions.setdefault("numpy", []).append(_seed_numpy)
            actions.setdefault("torch", []).append(_seed_torch)
            self._session.at_end.append(self._tell_seed)
        return {
            name: lambda some=some: [action() for action in some]  # type: ignore[misc]
            for name, some in actions.items()
        }

    def _tell_seed(self) -> None:
        torch = sys.modules.get("torch")
        if torch is not None and torch.initial_seed() == SEED:
            self._session.note(
                f"the script sets no seed of torch's: all of these runs began with seed {SEED}"
            )

    def _execute(self) -> None:
        """As `python script` would: argv, sys.path and `__main__` are the script's."""
        path = os.path.abspath(self._script)
        claim(path)
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        sys.argv = [self._script, *self._arguments]
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
        main = ModuleType("__main__")
        main.__file__ = path
        main.__loader__ = SourceFileLoader("__main__", path)
        main.__dict__["__builtins__"] = sys.modules["builtins"]
        main.__dict__["__cached__"] = None
        sys.modules["__main__"] = main
        _run(code, main)

    def _raised(self, error: BaseException) -> tuple[str, int]:
        session = self._session
        if session.stopped is not None:
            return session.stopped, 0  # it stumbled over its own end
        if not self._is_run_again(error):
            _print_traceback(error)
        session.emit(raised_by(error, session.step))
        return "raised", 1

    def _is_run_again(self, error: BaseException) -> bool:
        """Whether the runner tries once more, with whole passes: what it prints then counts."""
        if self._options.trial or self._options.whole_passes:
            return False
        return self._session.cut and not (isinstance(error, NameError) and error.name)


def _await_training(session: Session) -> str | None:
    """Wait for a thread that trains, as Python does at the end; why the run ended, if it had to."""
    while (thread := _still_training(session)) is not None:
        thread.join(0.1)
    return session.stopped


def _still_training(session: Session) -> threading.Thread | None:
    """The thread that is watched; while nothing has trained yet, any that may begin to."""
    own = threading.current_thread()
    trainer = session.trainer()
    if trainer is not own:
        return trainer if trainer is not None and not trainer.daemon else None
    if session.step or "torch" not in sys.modules:
        return None
    others = (one for one in threading.enumerate() if one is not own and not one.daemon)
    return next(others, None)


def _run(code: CodeType, module: ModuleType) -> None:
    exec(code, module.__dict__)


def _status_of(error: SystemExit) -> int:
    """The exit status that Python gives for a `sys.exit`, whose text it prints."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return 1


# Of all runs that are compared. Any number would do.
SEED = 20260101


def _seed_numpy() -> None:
    sys.modules["numpy"].random.seed(SEED)


def _seed_torch() -> None:
    sys.modules["torch"].manual_seed(SEED)


def _hide_accelerators() -> None:
    """Hide what no environment variable hides: CUDA is hidden by the runner."""
    import torch

    if hasattr(torch.backends, "mps"):
        torch.backends.mps.is_available = lambda: False


# -- exceptions --------------------------------------------------------------------------------


def _print_traceback(error: BaseException) -> None:
    """As Python prints it, without our own frames."""
    chain: BaseException | None = error
    seen: set[int] = set()
    while chain is not None and id(chain) not in seen:
        seen.add(id(chain))
        chain.__traceback__ = _without_ours(chain.__traceback__)
        chain = chain.__cause__ or chain.__context__
    flush_streams()
    sys.excepthook(type(error), error, error.__traceback__)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    kept = []
    while trace is not None:
        if not is_ours(trace.tb_frame.f_code.co_filename):
            kept.append(trace)
        trace = trace.tb_next
    following: TracebackType | None = None
    for one in reversed(kept):
        one.tb_next = following
        following = one
    return following


if __name__ == "__main__":
    main()
