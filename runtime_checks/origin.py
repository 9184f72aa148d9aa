"""What the second look at a run says of a number that is none, for the finding that tells of it."""

from __future__ import annotations

from trainlint.finding import Evidence
from trainlint.runtime_checks.record import Origin, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, show


def origin_words(run: Run) -> str:
    """A clause that begins with a semicolon; empty where no second look was made, or none told."""
    origin = run.origin
    if origin is None:
        return ""
    line = f" (line {origin.site.line})" if origin.site else ""
    if origin.phase == "input":
        return f"; a batch that `{origin.operation}` is given{line} is not finite"
    module = f" in `{origin.module}`" if origin.module else ""
    where = "the gradient of " if origin.phase == "backward" else ""
    return f"; it comes from {where}`{origin.operation}`{module}{line}, {_given(origin)}"


def _given(origin: Origin) -> str:
    size = "x".join(map(str, origin.shape)) or "a number"
    at = f", which makes {origin.value} of {show(origin.given)}" if origin.given is not None else ""
    return f"given {size} from {show(origin.low)} to {show(origin.high)}{at}"


def origin_related(run: Run) -> tuple[tuple[Site | None, str], ...]:
    """The line of the operation."""
    if run.origin is None:
        return ()
    return ((run.origin.site, f"`{run.origin.operation}` is the first that is not finite"),)


def origin_evidence(run: Run) -> tuple[Evidence, ...]:
    """What the operation was given, and where its first bad element stands."""
    one = run.origin
    if one is None:
        return ()
    return (
        measured(f"first result of {one.operation} that is not finite", one.value, one.step),
        measured("its place", str(one.at), one.step),
        measured("least number given", one.low, one.step),
        measured("greatest number given", one.high, one.step),
    )


def first_trouble(run: Run) -> int | None:
    """The step at which numbers stop being finite, where that is a finding."""
    # The detectors import this file.
    from trainlint.runtime_checks.detection import State, judge

    judgement = judge(run)
    if not any(judgement.state(code) is State.FOUND for code in ("RUN104", "RUN105")):
        return None
    steps = [one.step for one in run.nonfinite]
    return min(steps, default=None)


def repeats(run: Run, again: Run, step: int) -> bool:
    """Whether a second run took the same steps as the first, up to one."""
    losses = [[one.loss for one in each.steps if one.step < step] for each in (run, again)]
    return losses[0] == losses[1]
