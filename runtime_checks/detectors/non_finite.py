"""RUN105: a loss, gradient or weight is not a number."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.explosion import find_explosion
from trainlint.runtime_checks.origin import origin_evidence, origin_related, origin_words
from trainlint.runtime_checks.record import NonFinite, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured


@detector("RUN105", Severity.ERROR, needs=("steps",), explained_by=("RUN608",))
def non_finite(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A loss, a gradient or a weight becomes NaN or infinite, and training goes on with it.

    One such step spoils every weight it touches, for good. Reported once, for the first of them:
    the loss points at the data or the forward pass (log of 0, division by 0, overflow in half
    precision), a gradient under a finite loss at the backward pass (sqrt at 0).

    `trainlint run` then runs the script a second time, to just past that step, and looks at each
    operation: the first whose result is not finite though its input is stands in the finding.

    A step that a GradScaler left out is no mistake: that is how it finds its scale. Only where
    it leaves out the last ten steps is it found. A loss that was not finite but was not stepped
    on is none either. Where the gradients exploded first, that is the finding (RUN104), and this
    one is its symptom; so it is where the data is no number (RUN608).
    """
    first = _first(run, limits)
    if first is None:
        return
    explosion = _exploded_before(run, first.step, limits)
    if explosion is not None:
        yield Abstain(f"the gradients exploded first, at step {explosion.step} (RUN104)")
        return
    what = f"{first.what} of {_names(first)}" if first.names else first.what
    yield Found(
        first.site,
        f"the {what} is {first.value} at step {first.step}, and the optimizer steps on it"
        f"{origin_words(run)}",
        hint=_hint(first.what) if run.origin is None else None,
        related=origin_related(run),
        evidence=(
            measured(first.what, float(first.value), first.step),
            *origin_evidence(run),
        ),
    )


def _names(found: NonFinite) -> str:
    shown = ", ".join(f"`{name}`" for name in found.names[:3])
    return shown + (f" and {len(found.names) - 3} more" if len(found.names) > 3 else "")


def _hint(what: str) -> str:
    if what == "loss":
        return "look at the inputs, and at log, division and exp on the way to the loss"
    return "run once under torch.autograd.detect_anomaly() to see which operation made it"


def _first(run: Run, limits: Thresholds) -> NonFinite | None:
    """The first that an optimizer stepped on: of those recorded, else from the steps' numbers."""
    steps = {step.step: step for step in run.steps}
    order = {"loss": 0, "gradient": 1, "weight": 2}
    seen = [event for event in run.nonfinite if _consumed(event, steps, run, limits)]
    seen += [event for step in run.steps if not step.skipped for event in _of_step(step)]
    return min(seen, key=lambda event: (event.step, order.get(event.what, 3)), default=None)


def _of_step(step: Step) -> Iterator[NonFinite]:
    """What a step's own numbers tell."""
    for what, value in (("loss", step.loss), ("gradient", step.norm)):
        if value is not None and not math.isfinite(value):
            yield NonFinite(step.step, what, [], step.site, value)


def _consumed(event: NonFinite, steps: dict[int, Step], run: Run, limits: Thresholds) -> bool:
    """Whether an optimizer went on with it: not where the script, or a scaler, left it out."""
    step = steps.get(event.step)
    if event.what == "weight":
        return True
    if step is None:
        return event.step > run.steps[-1].step
    if step.skipped:
        tail = run.steps[-limits.skipped_tail :]
        return len(tail) == limits.skipped_tail and all(late.skipped for late in tail)
    return any(value is not None and not math.isfinite(value) for value in (step.norm, step.loss))


def _exploded_before(run: Run, step: int, limits: Thresholds) -> Step | None:
    for optimizer in run.optimizers:
        explosion = find_explosion(run.steps_of(optimizer), limits)
        if explosion is not None and explosion.first.step <= step:
            return explosion.first
    return None
