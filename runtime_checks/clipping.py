"""What clipping did in a run: whether it ran, at which limit, how often it bit, how strongly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds
from trainlint.runtime_checks.record import Clip, Site, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured, median, show


@dataclass(frozen=True)
class ClipSummary:
    """Clipping over a whole run; `left` is the median part of the norm that a bite left over."""

    steps: int
    calls: int
    judged: int  # calls of which is known whether they bit
    how: tuple[str, ...]
    limits: tuple[float, ...]
    bites: int
    left: float | None

    @property
    def share(self) -> float:
        """The share of calls that bit, of those of which it is known."""
        return self.bites / self.judged if self.judged else 0.0

    def sentence(self) -> str:
        """The summary as one line of a report."""
        if not self.calls:
            return f"no gradient was clipped in {count(self.steps, 'step')}"
        how = " and ".join(f"by {name}" for name in self.how)
        at = ", ".join(show(limit) for limit in self.limits[:3])
        ran = f"{how} at {at}, {count(self.calls, 'call')} in {count(self.steps, 'step')}"
        if all(math.isinf(limit) for limit in self.limits):
            return f"{ran}: an infinite limit only measures"
        if not self.bites:
            return f"{ran}: it never bit"
        left = f", leaving {self.left:.1%} of the norm in the median" if self.left else ""
        return f"{ran}: it bit in {self.share:.0%} of them{left}{self._advice()}"

    def _advice(self) -> str:
        limits = Thresholds()
        if self.share > limits.clip_always and (self.left or 1.0) < limits.clip_strong:
            return "; it always does, so that the limit sets the step size and not the gradient"
        return ""


def by_line(run: Run) -> dict[Site | None, list[Clip]]:
    """The clipping calls of each line."""
    lines: dict[Site | None, list[Clip]] = {}
    for clip in run.clips:
        lines.setdefault(clip.site, []).append(clip)
    return lines


def misplaced(
    run: Run, limits: Thresholds, wrong: Callable[[Clip, Run], bool], message: str, hint: str
) -> Iterator[Result]:
    """The lines of which at least half of the calls, and three at least, are wrong that way."""
    for site, clips in by_line(run).items():
        bad = [clip for clip in clips if wrong(clip, run)]
        if len(clips) < limits.clip_calls:
            yield Abstain(f"needs {limits.clip_calls} calls, saw {len(clips)}")
        elif len(bad) >= max(limits.clip_calls, limits.clip_share * len(clips)):
            first = bad[0]
            yield Found(
                site,
                f"{message} ({len(bad)} of {count(len(clips), 'call')})",
                hint=hint,
                evidence=(
                    measured("clipping calls without effect", len(bad), first.step),
                    measured("clipped tensors with a gradient", first.tensors, first.step),
                    measured("norm that was clipped", first.norm, first.step),
                ),
            )


def clip_summary(run: Run) -> ClipSummary:
    """Sum up all clipping calls of a run."""
    bites = [clip for clip in run.clips if bit(clip, run)]
    return ClipSummary(
        steps=len(run.steps),
        calls=len(run.clips),
        judged=sum(_is_known(clip, run) for clip in run.clips),
        how=tuple(dict.fromkeys(clip.how for clip in run.clips)),
        limits=tuple(dict.fromkeys(clip.limit for clip in run.clips)),
        bites=len(bites),
        left=median(_left(clip, run) for clip in bites),
    )


def limits_anything(clip: Clip) -> bool:
    """False for an infinite limit, the idiom for measuring a norm."""
    return math.isfinite(clip.limit)


def bit(clip: Clip, run: Run) -> bool:
    """Whether a call made a gradient smaller that an optimizer goes on to use."""
    if clip.backwards == 0 and clip.step:
        return False  # a step has used it already
    if clip.how == "norm":
        return clip.norm is not None and clip.norm > clip.limit
    return any(_shrunk(step) for step in consumers(clip, run))


def _is_known(clip: Clip, run: Run) -> bool:
    """Whether it can be told if a call bit: the norms of a step are measured now and then."""
    if clip.how == "norm" or (clip.backwards == 0 and clip.step):
        return True
    steps = consumers(clip, run)
    return not steps or any(step.norm is not None for step in steps)


def _left(clip: Clip, run: Run) -> float | None:
    if clip.how == "norm":
        return clip.limit / clip.norm if clip.norm else None
    steps = consumers(clip, run)
    return median(step.norm_after / step.norm for step in steps if step.norm and step.norm_after)


def _shrunk(step: Step) -> bool:
    """Clipping made the norm that was consumed smaller; a rounding error does not."""
    if step.norm is None or step.norm_after is None:
        return False
    return step.norm_after < step.norm * (1 - 1e-4)


def consumers(clip: Clip, run: Run) -> list[Step]:
    """The next step of each optimizer whose gradients were clipped."""
    found: dict[int, Step] = {}
    for step in _from(run, clip.step):
        if step.optimizer in clip.optimizers:
            found.setdefault(step.optimizer, step)
        if len(found) == len(set(clip.optimizers)):
            break
    return list(found.values())


def _from(run: Run, number: int) -> list[Step]:
    """The steps from that number on; far ones are left out, a clip is consumed soon or never."""
    if number < len(run.steps) and run.steps[number].step == number:
        return run.steps[number : number + 50]
    return [step for step in run.steps if number <= step.step < number + 50]
