"""Where the gradients of one optimizer explode.

Shared by two detectors: the explosion is the cause, and the numbers that overflow after it are
its symptom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainlint.runtime_checks.detection import Thresholds
from trainlint.runtime_checks.record import Step
from trainlint.runtime_checks.series import median


@dataclass(frozen=True)
class Explosion:
    """The steps over the line, and the norm that they are measured against."""

    steps: tuple[Step, ...]
    baseline: float
    overflow: Step | None  # the first step after it whose norm is not finite
    clipped: bool  # what the optimizer consumed stayed below the line

    @property
    def first(self) -> Step:
        """The first step over the line."""
        return self.steps[0]

    @property
    def peak(self) -> Step:
        """The step with the greatest finite norm."""
        return max(self.steps, key=lambda step: step.norm or 0.0)


def find_explosion(steps: Sequence[Step], limits: Thresholds) -> Explosion | None:
    """The explosion among one optimizer's steps, or None.

    A lone spike is none, unless it did lasting harm: the loss grew, or the numbers overflowed.
    """
    taken = [step for step in steps if not step.skipped and step.norm is not None]
    over = _over(taken, limits)
    if not over:
        return None
    first, baseline = over[0]
    hot = tuple(taken[index] for index, _ in over)
    overflow = next((step for step in taken[first:] if not _is_finite(step)), None)
    clipped = overflow is None and all(_held(taken[index], base, limits) for index, base in over)
    many = len(hot) >= limits.explosion_steps
    if clipped:
        lasting = many and len(hot) >= limits.clipped_explosion_share * len(taken[first:])
    else:
        lasting = many or overflow is not None or _harmed(taken, first, limits)
    return Explosion(hot, baseline, overflow, clipped) if lasting else None


def _over(taken: Sequence[Step], limits: Thresholds) -> list[tuple[int, float]]:
    """Index and baseline of each finite step over the line.

    The baseline is the median of the first ten norms; before there are ten, of those so far, so
    that an explosion in the first steps does not hide itself.
    """
    seen: list[float] = []
    over = []
    for index, step in enumerate(taken):
        norm = step.norm or 0.0
        baseline = median(seen[: limits.explosion_baseline])
        if baseline and math.isfinite(norm) and norm > _line(baseline, limits):
            over.append((index, baseline))
        if norm > 0 and math.isfinite(norm) and len(seen) < limits.explosion_baseline:
            seen.append(norm)
    return over


def _line(baseline: float, limits: Thresholds) -> float:
    return max(limits.explosion_ratio * baseline, limits.explosion_floor)


def _is_finite(step: Step) -> bool:
    return step.norm is not None and math.isfinite(step.norm)


def _held(step: Step, baseline: float, limits: Thresholds) -> bool:
    """Clipping kept what the optimizer consumed below the line."""
    return step.norm_after is not None and step.norm_after <= _line(baseline, limits)


def _harmed(taken: Sequence[Step], first: int, limits: Thresholds) -> bool:
    """The loss after the spike is far above the loss before it, or no number."""
    after = [step.loss for step in taken[first + 1 : first + 6]]
    if any(loss is not None and not math.isfinite(loss) for loss in after):
        return True
    before = median(step.loss for step in taken[max(0, first - 5) : first + 1])
    then = median(after)
    if before is None or then is None:
        return False
    return then - before > (limits.explosion_harm - 1) * abs(before)
