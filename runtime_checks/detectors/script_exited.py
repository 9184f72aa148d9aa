"""RUN004: the script gave up while it trained."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN004", Severity.WARNING)
def script_exited(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The script called sys.exit with an error while it trained.

    A status other than 0, or a text, says that something is wrong: often a check of the script's
    own that the loss diverged. Found only after the first optimizer step; what ends before, such
    as a command line that lacks an argument, tells nothing of training.
    """
    end = run.end
    if end is None or end.reason != "exit" or not end.status or not run.steps:
        return
    text = end.text.strip().partition("\n")[0]
    told = f"{text!r}" if text else str(end.status)
    yield Found(
        end.site,
        f"the script called sys.exit({told}) after {count(len(run.steps), 'optimizer step')}",
        hint="see what it printed before: the script itself gave up",
        evidence=(measured("exit status", end.status, len(run.steps)),),
    )
