"""How a run ended, in one line."""

from __future__ import annotations

from trainlint.runtime_checks.detectors.never_stepped import never_stepped_message
from trainlint.runtime_checks.detectors.script_killed import how_it_ended, where_it_stands
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count

# Seconds without a sign of training that a reader is told of.
LONG_IDLE = 2.0


def outcome_line(run: Run) -> str:
    """Steps, seconds and device, and what ended the run."""
    if not run.steps:
        return never_stepped_message(run)
    steps = count(len(run.steps), "optimizer step")
    seconds = f" in {run.end.seconds:.1f} s" if run.end else ""
    device = f" on {run.start.device}" if run.start and run.start.device else ""
    return f"{steps}{seconds}{device}; {_ending(run)}"


def _ending(run: Run) -> str:
    reason = run.end.reason if run.end else "vanished"
    status = run.end.status if run.end else 0
    if reason == "seconds" and run.end and (run.end.idle or 0.0) >= LONG_IDLE:
        return f"stopped when its time was up; {where_it_stands(run.end)}"
    kind = run.raised.type.rpartition(".")[2] if run.raised else "an exception"
    endings = {
        "finished": "the script ran to its end",
        "left": "the loop ran to its end",
        "steps": "stopped at the budget of steps",
        "seconds": "stopped when its time was up",
        "raised": f"the script raised {kind}",
        "exit": f"the script called sys.exit({status})",
        "interrupted": "interrupted",
    }
    return endings.get(reason) or how_it_ended(run.end)
