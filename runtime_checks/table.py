"""The trials beside the plain run: what each change cured, and what it did not."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from trainlint.runtime_checks.detection import Judgement, State, judge
from trainlint.runtime_checks.evaluations import Key, evaluation_series
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import last_mean
from trainlint.runtime_checks.verdicts import verdict_of

# What a change to the training can cure; it never cures a line that logs a wrong step.
CURABLE = ("RUN001", "RUN104", "RUN105", "RUN301", "RUN306", "RUN307", "RUN308")
PLAIN = "(plain)"
MEASURING = ("lr-range", "one-batch")


@dataclass(frozen=True)
class TrialRow:
    """One row of the table; codes of findings stand in the last four.

    `unclear` are those that the trial's run was too short to judge, `brought` those that only
    the trial has. `verdict` says what all this comes to. `reason` says why a trial was not run or
    could not apply, else it is empty.
    """

    trial: str
    peak: float | None = None
    training: float | None = None
    evaluation: float | None = None
    cured: tuple[str, ...] = ()
    not_cured: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    what: str = ""
    verdict: str = ""
    reason: str = ""


def trial_rows(
    plain: Run, trials: Sequence[tuple[str, Run]], not_run: Sequence[tuple[str, str]] = ()
) -> list[TrialRow]:
    """The plain run's row and one for each trial; norms before clipping, losses over ten steps.

    `not_run` are trials that there is no run of, each with the reason.
    """
    judgement = judge(plain)
    held = next((series.key for series in evaluation_series(plain)), None)
    first = TrialRow(
        PLAIN,
        peak_norm(plain),
        final_loss(plain),
        _evaluated(plain, held),
        not_cured=tuple(_codes(judgement)),
    )
    left = (TrialRow(name, reason=reason) for name, reason in not_run)
    return [first, *(_row(name, run, plain, judgement, held) for name, run in trials), *left]


def _row(name: str, run: Run, plain: Run, before: Judgement, held: Key | None) -> TrialRow:
    if run.trial is None or not run.trial.applied:
        reason = run.trial.what if run.trial else "the run ended before the change could be made"
        return TrialRow(name, reason=f"not applied: {reason}")
    if run.raised is not None and plain.raised is None:
        return TrialRow(name, reason=f"with {run.trial.what}, the script raised {_words(run)}")
    after = judge(run)
    states = {code: _state(code, run, before, after) for code in _codes(before)}
    cured, left, unclear = (
        tuple(code for code, state in states.items() if state is wanted)
        for wanted in (State.PASSED, State.FOUND, State.NOT_TRIGGERED)
    )
    brought = tuple(code for code in _codes(after) if code not in states)
    if name in MEASURING:  # another run than the plain one, that cures nothing
        cured = left = unclear = brought = ()
    return TrialRow(
        name,
        peak_norm(run),
        final_loss(run),
        _evaluated(run, held),
        cured,
        left,
        unclear,
        brought,
        what=run.trial.what,
        verdict=verdict_of(name, run, plain, cured, (*left, *unclear), bool(brought)),
    )


def _words(run: Run) -> str:
    """The exception that ended a run, its text in one short line."""
    assert run.raised is not None
    text = " ".join(run.raised.text.split())
    return textwrap.shorten(f"{run.raised.type.removeprefix('builtins.')}: {text}", 120)


def _codes(judgement: Judgement) -> list[str]:
    return [code for code in CURABLE if judgement.state(code) is State.FOUND]


def _state(code: str, run: Run, before: Judgement, after: Judgement) -> State:
    """How the detector ended in the trial; no answer where the trial ended before the onset."""
    finding = next(finding for finding in before.findings if finding.code == code)
    steps = [fact.step for fact in finding.evidence if fact.step is not None]
    if after.state(code) is State.PASSED and len(run.steps) <= min(steps, default=0):
        return State.NOT_TRIGGERED
    return after.state(code)


def peak_norm(run: Run) -> float | None:
    """The greatest gradient norm before clipping, of steps that were taken; NaN counts as more."""
    norms = [step.norm for step in run.steps if step.norm is not None and not step.skipped]
    return max(norms, key=lambda norm: math.inf if math.isnan(norm) else norm, default=None)


def final_loss(run: Run) -> float | None:
    """The mean training loss of the last ten steps."""
    return last_mean(step.loss for step in run.steps if not step.skipped)


def _evaluated(run: Run, held: Key | None) -> float | None:
    """The last loss of what is evaluated most often in the plain run."""
    found = (one for one in evaluation_series(run) if one.key == held)
    return next((one.evaluations[-1].loss for one in found), None)
