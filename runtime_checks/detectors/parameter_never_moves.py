"""RUN108: weights that their optimizer does not move."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import is_rising, named, site_of
from trainlint.runtime_checks.record import OptimizerInfo, Stuck
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

_SHORT = ("bfloat16", "float16")


@detector("RUN108", Severity.WARNING, needs=("steps",))
def parameter_never_moves(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer holds a parameter that has a gradient, and its steps leave it as it was.

    Mostly the precision is the cause. A bfloat16 number has 8 bits: a weight of 0.1 changes by
    at least 0.0005, and a smaller step is rounded away, the next one too, and so on for ever. The
    loss falls at first, by the few weights that are small, and then stays. Weights in float32,
    with autocast for the computation, lose nothing.

    Judged from samples of the weights before and after a step, in the first 20 steps and in each
    11th after that; a parameter counts where its gradient is at least a thousandth of the largest
    (that of a bias before BatchNorm is rounding noise) and its learning rate is not 0. Found where
    at ten looks or more a tensor never moved, or one of bfloat16 or float16 left, in the mean, 70 %
    of the elements that had a gradient as they were. Silent while the rate is still being warmed
    up, and for optimizers that are not torch's own: some keep what was rounded away.
    """
    if not run.movements:
        yield Abstain("no step was looked at closely")
        return
    for stuck in _last(run):
        info = run.optimizers.get(stuck.optimizer)
        if info is None or not _is_enough(stuck, limits):
            continue
        if is_rising(run.steps_of(stuck.optimizer)):
            yield Abstain("the learning rate is still rising")
        elif stuck.share < 1 and not _is_torchs(info):
            yield Abstain(f"`{info.name}` may keep what was rounded away")
        else:
            yield _found(run, info, stuck)


# Of torch's own optimizers; others may add what was rounded away at a later step.
_TORCHS = """
    Adadelta Adafactor Adagrad Adam AdamW Adamax ASGD LBFGS Muon NAdam RAdam RMSprop Rprop SGD
    SparseAdam
    """.split()


def _is_torchs(info: OptimizerInfo) -> bool:
    return info.name in _TORCHS


def _last(run: Run) -> list[Stuck]:
    """What was known last of each optimizer and type, if it was still so at the end."""
    last = {(one.optimizer, one.dtype): one for one in run.stuck}
    return list(last.values())


def _is_enough(stuck: Stuck, limits: Thresholds) -> bool:
    least = limits.stuck_share if stuck.dtype in _SHORT else 1.0
    return stuck.samples >= limits.stuck_samples and stuck.share >= least


def _found(run: Run, info: OptimizerInfo, stuck: Stuck) -> Found:
    short = stuck.dtype in _SHORT
    verb = "is" if len(stuck.names) == 1 else "are"
    lost = (
        f"{stuck.share:.0%} of the updates are rounded away"
        if stuck.share < 1
        else (
            "every update is rounded away"
            if short
            else "never move, though their gradients are not 0"
        )
    )
    told = (
        f"{named(stuck.names)} {verb} {stuck.dtype}, and {lost}"
        if short
        else (f"{named(stuck.names)} {lost}")
    )
    return Found(
        site_of(run, info.models, stuck.names) or info.site,
        told,
        hint="keep the weights in float32 and compute under torch.autocast, or use a larger "
        "learning rate"
        if short
        else "look at what sets them back, and at a learning rate far too small for float32",
        related=((info.site, "the optimizer was made here"),),
        evidence=(
            measured("part of the elements that a step left as they were", stuck.share, stuck.step),
            measured("steps that were looked at", stuck.samples),
            measured("parameters", count(len(stuck.names), "tensor")),
        ),
    )
