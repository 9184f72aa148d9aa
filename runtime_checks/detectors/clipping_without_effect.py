"""RUN201: clipping that no step feels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from trainlint.finding import Severity
from trainlint.runtime_checks.clipping import bit, consumers, limits_anything
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import Clip, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

# What each of the three wrong places looks like to a reader.
RULES = ("TRN202", "TRN203", "TRN204", "TRN205", "TRN208")


@detector("RUN201", Severity.WARNING, confirms=RULES, needs=("clips",))
def clipping_without_effect(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Gradients are clipped where it does nothing, or something else than meant.

    Clipping belongs between `backward()` (and `scaler.unscale_()`, with a GradScaler) and
    `step()`. Three places are wrong, and each is judged by what the call met: tensors of which
    none has a gradient (before `backward()`, or those of another model); gradients that a step has
    already consumed (after `step()`, before the next `backward()`); gradients that still carry
    the scaler's factor, so that the limit is off by some 65536 times.

    Found where at least half of the calls of a line, and at least three, are so. An infinite limit
    only measures, and is left alone after `step()`. How often clipping bit, and how strongly, is
    reported for every run, and is no finding.
    """
    lines: dict[Site | None, list[Clip]] = {}
    for clip in run.clips:
        lines.setdefault(clip.site, []).append(clip)
    for site, clips in lines.items():
        if len(clips) < limits.clip_calls:
            yield Abstain(f"needs {limits.clip_calls} calls, saw {len(clips)}")
            continue
        for wrong, message, hint in _MISTAKES:
            bad = [clip for clip in clips if wrong(clip, run)]
            if len(bad) >= max(limits.clip_calls, limits.clip_share * len(clips)):
                yield _found(site, bad, clips, message, hint)
                break


def _found(
    site: Site | None, bad: Sequence[Clip], clips: Sequence[Clip], message: str, hint: str
) -> Found:
    first = bad[0]
    return Found(
        site,
        f"{message} ({len(bad)} of {count(len(clips), 'call')})",
        hint=hint,
        evidence=(
            measured("clipping calls without effect", len(bad), first.step),
            measured("clipped tensors with a gradient", first.tensors, first.step),
            measured("norm that was clipped", first.norm, first.step),
        ),
    )


def _met_nothing(clip: Clip, run: Run) -> bool:
    return clip.tensors == 0


def _after_step(clip: Clip, run: Run) -> bool:
    """It clipped gradients that had been stepped on and that no backward had added to since."""
    if not clip.tensors or not limits_anything(clip) or clip.step == 0:
        return False
    if clip.backwards is not None:
        return clip.backwards == 0
    # Where the record does not say it: the call bit, and nothing of that reached the next step.
    steps = consumers(clip, run)
    strong = clip.how == "norm" and bit(clip, run) and (clip.norm or 0.0) > 1.5 * clip.limit
    return bool(strong and steps) and all(
        step.norm is not None
        and step.norm == step.norm_after
        and (clip.norm or 0.0) > 0.5 * step.norm
        for step in steps
    )


def _scaled(clip: Clip, run: Run) -> bool:
    return clip.scaled and clip.tensors > 0 and limits_anything(clip)


_MISTAKES: tuple[tuple[Callable[[Clip, Run], bool], str, str], ...] = (
    (
        _met_nothing,
        "clipping meets no gradient: none of the tensors handed to it has one",
        "call it after backward(), with the parameters that the optimizer trains",
    ),
    (
        _after_step,
        "clipping comes after step(): no optimizer ever uses what it clips",
        "move it between backward() and step()",
    ),
    (
        _scaled,
        "clipping meets gradients that still carry the GradScaler's factor",
        "call scaler.unscale_(optimizer) before clipping",
    ),
)
