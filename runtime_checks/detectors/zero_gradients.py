"""RUN106: gradients that are there, and are all zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, finite, measured, show


@detector("RUN106", Severity.ERROR, needs=("steps",), explained_by=("RUN408", "RUN801"))
def zero_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer's parameters have gradients, and every one of them is exactly zero.

    The backward reaches them, and something on the way multiplies by nothing: units of ReLU that
    are all dead, a loss of rounded or clamped values, gradients that are too small for float16.

    Found where the norm over all of an optimizer's parameters is 0 in at least half of the steps
    after its tenth, in at least ten, and at its last, while the loss is far from 0: more than a
    millionth of its largest. A hinge or triplet loss that is satisfied is 0 itself, and gives no
    gradient. With several optimizers all but a twentieth of the steps must be so, since one may
    rest while another trains, and the script must have ended by itself.
    """
    for info in run.optimizers.values():
        taken = (one for one in run.steps_of(info.id) if one.with_grad and not one.skipped)
        steps = [one for one in taken if one.norm is not None]  # looked at closely
        late = steps[limits.zero_gradient_steps :]
        zero = [one for one in late if one.norm == 0]
        if len(late) < limits.zero_gradient_steps:
            yield Abstain(f"needs {2 * limits.zero_gradient_steps} steps, saw {len(steps)}")
        elif not zero or not _is_enough(run, zero, late, limits):
            continue
        elif not _has_loss(zero, steps, limits):
            yield Abstain("the loss is 0, and so is its gradient")
        else:
            yield _found(info, zero, late)


def _is_enough(run: Run, zero: Sequence[Step], late: Sequence[Step], limits: Thresholds) -> bool:
    alone = len(run.optimizers) == 1
    share = limits.zero_gradient_share if alone else limits.gradless_share
    many = len(zero) >= max(limits.zero_gradient_steps, share * len(late))
    done = run.end is not None and run.end.reason == "finished"
    return many and late[-1].norm == 0 and (alone or done)


def _has_loss(zero: Sequence[Step], steps: Sequence[Step], limits: Thresholds) -> bool:
    """Whether the loss is known there, and is not next to nothing."""
    largest = max((abs(loss) for loss in finite(one.loss for one in steps)), default=0.0)
    losses = finite(one.loss for one in zero)
    big = [loss for loss in losses if abs(loss) > limits.zero_gradient_loss * largest]
    return len(big) > 0.9 * len(zero)


def _found(info: OptimizerInfo, zero: Sequence[Step], late: Sequence[Step]) -> Found:
    return Found(
        zero[0].site,
        f"all gradients of `{info.name}` are exactly 0 in {len(zero)} of "
        f"{count(len(late), 'step')}, while the loss is {show(zero[-1].loss)}",
        hint="look for ReLUs that never fire, for round, argmax, clamp or sign on the way to the "
        "loss, and for float16 without a GradScaler",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("gradient norm", 0.0, zero[0].step),
            measured("steps with zero gradients", len(zero)),
            measured("loss", zero[-1].loss, zero[-1].step),
        ),
    )
