"""What a trial shows: cured, helped, no effect, worse, or that nobody can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import last_mean, show

# Of the plain run's final loss, below or above which a trial made a difference.
HELPED, WORSE = 0.9, 1.1
# Of the first loss, to which one batch must be learned by heart.
LEARNED = 0.1
# These begin from the same weights and data, so that the first losses must be the same.
_SAME_START = ("clip-", "lr=")


def verdict_of(
    name: str, run: Run, plain: Run, cured: Sequence[str], left: Sequence[str], brought: bool
) -> str:
    """The verdict in a word or two; empty for a trial that only measures."""
    if name == "lr-range":
        return ""
    if name == "one-batch":
        return _learned(run)
    if name.startswith(_SAME_START) and not _same_start(run, plain):
        return "cannot tell: the script does not begin alike twice, so that no two runs compare"
    if cured and not left and not brought:
        return "cured"
    if brought and not cured:
        return "worse"
    return _compared(_final(run), _final(plain), bool(cured))


def _compared(then: float | None, before: float | None, cured: bool) -> str:
    """By the final training losses, where there are two numbers above 0."""
    if then is None or before is None or math.isnan(then):
        return "worse" if then is not None and before is not None else "cannot tell: no loss"
    if not math.isfinite(before) or cured or then < HELPED * before:
        return "helped"
    return "worse" if then > WORSE * before else "no effect"


def _final(run: Run) -> float | None:
    return last_mean(step.loss for step in run.steps if not step.skipped)


def _same_start(run: Run, plain: Run) -> bool:
    first, other = (next((s.loss for s in one.steps), None) for one in (run, plain))
    return first == other or (first != first and other != other)


def _learned(run: Run) -> str:
    """Whether one batch was learned: a model that cannot do that much learns nothing."""
    losses = [step.loss for step in run.steps if step.loss is not None]
    final = _final(run)
    if final is None or not losses[0] > 0:
        return "cannot tell: no loss above 0"
    if final <= LEARNED * losses[0]:
        return f"learned by heart, from {show(losses[0])} to {show(final)}"
    if len(losses) < 100:
        return f"cannot tell: {len(losses)} steps are too few to learn one batch in"
    return (
        f"not learned by heart: {show(losses[0])} falls to {show(final)} only; the model, the loss "
        "or the labels stand in the way, or the rate"
    )
