"""Runs a script under observation in a process of its own, and survives whatever becomes of it.

The parent never imports torch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import trainlint
from trainlint.runtime_checks.following import Ending, NotStarted, Watched
from trainlint.runtime_checks.record import End, Line, dump_line
from trainlint.runtime_checks.run import Run, read_record

# Not `-m`, which puts the working folder first on sys.path, and a user's json.py before Python's.
# Our package is loaded from where it lies, so that no other of its name can take its place, and
# so that it need not be on the path of the Python that trains.
_BOOTSTRAP = """
import sys
sys.path[:1] = [folder for folder in sys.path[:1] if folder]
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("trainlint", sys.argv.pop(1))
sys.modules["trainlint"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
from trainlint.runtime_checks.child import main
main()
"""

# Seconds past the budget after which the process is stopped from outside; the child's own
# watchdog comes first.
HUNG_AFTER = 15.0

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
    whole_passes: bool = False
    look_at: int | None = None  # of a second run: look at each operation from this step on
    seeded: bool = False  # begin from one fixed seed, so that runs can be compared


def observe(
    script: Path,
    arguments: Sequence[str],
    options: Options,
    *,
    record: Path,
    progress: Callable[[Line], None] | None = None,
    stdout: IO[Any] | int | None = None,
) -> Run:
    """Run a script under observation to its end or the budget's; raises RunnerError.

    Standard input, output and error are the caller's, but for an output given as `stdout`.
    Interrupted, both processes end, and what was measured until then is returned; asked to
    terminate by another signal, both end, this one by SystemExit.
    """
    if find_spec("torch") is None:
        raise RunnerError(
            f"error: torch is not installed for {sys.executable}\n"
            "  help: pip install 'torch-trainlint[run]', or use the Python that trains"
        )
    record.touch()
    began = time.monotonic()
    watched = Watched(record, progress)
    try:
        ending = watched.follow(
            _command(script, arguments, options, record),
            seconds=options.max_seconds + HUNG_AFTER,
            env=_environment(options),
            stdout=stdout,
        )
    except NotStarted as error:
        raise RunnerError(f"error: the script could not be started: {error}") from None
    run = read_record(record)
    _complete(run, ending, record, time.monotonic() - began)
    return run


def _command(script: Path, arguments: Sequence[str], options: Options, record: Path) -> list[str]:
    start = [sys.executable, "-c", _BOOTSTRAP, os.path.abspath(trainlint.__file__), str(record)]
    return [*start, json.dumps(asdict(options)), str(script), *arguments]


def _environment(options: Options) -> dict[str, str]:
    environment = dict(os.environ)
    if options.device == "cpu":
        environment.update(dict.fromkeys(_HIDDEN, ""))
    if options.seeded:
        environment.setdefault("PYTHONHASHSEED", "0")
    return environment


def _complete(run: Run, ending: Ending, record: Path, seconds: float) -> None:
    """Add the end that the child could not write, or that it did not know of."""
    end = run.end
    if end is None:
        end = End(_reason(ending), len(run.steps), seconds, ending.status)
    if ending.interrupted:
        end = replace(end, reason="interrupted")
    if end.reason == "vanished" and run.start is None:
        raise RunnerError(
            f"error: the watched process ended with status {end.status} before the script began\n"
            f"  help: see what {sys.executable} printed above"
        )
    if end is not run.end:
        run.add(end)
        with open(record, "a", encoding="utf-8") as file:
            file.write("\n" + dump_line(end))  # the line before may be torn


def _reason(ending: Ending) -> str:
    """The end of a process that left no word of it, as in `End.reason`."""
    if ending.hung:
        return "hung"
    return "killed" if ending.status < 0 else "vanished"
