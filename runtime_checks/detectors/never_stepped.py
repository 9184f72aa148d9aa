"""RUN003: no optimizer step was reached."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import End
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count


@detector("RUN003", Severity.INFO)
def never_stepped(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The script never reached an optimizer step, so nothing was seen of its training.

    It may have ended before training began, wait for arguments or data, spend the whole budget on
    preparation, or train in processes of its own. `trainlint run` exits with 2 then: nothing was
    checked.
    """
    if not run.steps:
        late = run.end if run.end and run.end.reason == "seconds" else None
        yield Found(late.site if late else None, never_stepped_message(run))


def never_stepped_message(run: Run) -> str:
    """Why nothing can be said of the training, in one sentence."""
    seen = []
    if run.backwards:
        seen.append(count(len(run.backwards), "backward call"))
    if run.passes:
        seen.append(count(len(run.passes), "data pass"))
    after = f" (it made {' and '.join(seen)})" if seen else ""
    return f"the script never reached an optimizer step{after}: {_why(run)}"


def _why(run: Run) -> str:
    if run.raised is not None:
        return f"it raised {run.raised.type.rpartition('.')[2]} first"
    if run.end is None:
        return "its process vanished first"
    if run.end.children and run.end.reason in ("finished", "seconds", "exit"):
        return f"it started {_processes(run.end.children)} of its own, and those are not watched"
    ends = {
        "finished": "it ended first",
        "left": "the watched block ended first",
        "exit": f"it called sys.exit({run.end.status}) first",
        "seconds": f"its time was up after {run.end.seconds:.0f} s{_place(run.end)}",
        "interrupted": "it was interrupted first",
    }
    return ends.get(run.end.reason, f"it ended first ({run.end.reason})")


def _processes(number: int) -> str:
    return "a process" if number == 1 else f"{number} processes"


def _place(end: End) -> str:
    """Where it stood then."""
    inside = f" (in {end.inside})" if end.inside else ""
    return f", at line {end.site.line}{inside}" if end.site else ""
