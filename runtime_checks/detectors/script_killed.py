"""RUN002: the script's process ended without a word."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import End, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, last_mean, measured, show

# The child writes these as it ends; any other reason, or none, means that it could not.
ORDERLY = frozenset({"finished", "steps", "seconds", "raised", "exit", "interrupted", "left"})


@detector("RUN002", Severity.ERROR)
def script_killed(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The script's process was killed, hung, or vanished through `os._exit`.

    Hung is what takes no step, no batch and no forward pass for five seconds at least, and for
    five times as long as the longest pause before, while neither it nor a process that it started
    does any work, until its time is up.

    A signal from outside (the kernel's, when memory runs out), a crash in native code, a
    deadlock between processes or data workers: none leaves a traceback. What was measured until
    then is kept, and the last line of the script known to have been at work is named.
    """
    if run.end is not None and run.end.reason in ORDERLY:
        return
    if run.end is not None and run.end.idle is not None:
        yield _hung(run, run.end)
        return
    steps = len(run.steps)
    losses = last_mean((step.loss for step in run.steps), 1)
    known = f", last training loss {show(losses)}" if losses is not None else ""
    yield Found(
        _last_site(run),
        f"{how_it_ended(run.end)} after {count(steps, 'optimizer step')}{known}",
        hint="look at the system's log for the out-of-memory killer, and at native code, data "
        "workers and calls of os._exit",
        evidence=(measured("optimizer steps", steps),),
    )


def _hung(run: Run, end: End) -> Found:
    return Found(
        end.site,
        f"the script hangs after {count(len(run.steps), 'optimizer step')}: {where_it_stands(end)}",
        hint="a lock, a queue or a data worker never answers; where it waits on purpose, give it "
        "more time with --max-seconds",
        evidence=(
            measured("optimizer steps", len(run.steps)),
            measured("seconds without a sign of training", end.idle, len(run.steps)),
        ),
    )


def where_it_stands(end: End) -> str:
    """Since when a script whose time was up has not trained, and what it does instead."""
    since = end.seconds - (end.idle or 0.0)
    line = f" at line {end.site.line}" if end.site else ""
    inside = f" (in {end.inside})" if end.inside else ""
    does = "waits" if end.reason == "hung" else "is"
    return f"nothing of its training was seen since second {since:.0f}, it {does}{line}{inside}"


def how_it_ended(end: End | None) -> str:
    """What became of a process that could not tell so itself."""
    if end is None:
        return "the script's process vanished without an exception"
    if end.reason == "killed":
        return f"the script's process was killed by {_signal(-end.status)}"
    if end.reason == "hung" and end.idle is not None:
        return where_it_stands(end)
    if end.reason == "hung":
        return "the script hung and had to be stopped"
    return f"the script's process vanished without an exception (exit status {end.status})"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_site(run: Run) -> Site | None:
    """Where the last measured event stands; within a step, it follows pass and backward."""
    events = [(one.step, 0, one.site) for one in run.passes if one.site]
    events += [(event.step, 1, event.site) for event in run.backwards if event.site]
    events += [(step.step, 2, step.site) for step in run.steps if step.site]
    return max(events, key=lambda event: event[:2], default=(0, 0, None))[2]
