"""RUN104: gradients grow out of all proportion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from trainlint.finding import Evidence, Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.explosion import Explosion, find_explosion
from trainlint.runtime_checks.origin import origin_evidence, origin_related
from trainlint.runtime_checks.record import OptimizerInfo, Site, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured, show


@detector("RUN104", Severity.ERROR, needs=("steps",))
def exploding_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The gradients of an optimizer explode.

    A step along such a gradient throws the weights far off; soon the loss is no number.

    The L2 norm over all of an optimizer's parameters, before clipping and with the loss scale
    taken out, is compared with the median of its first ten (of those so far, in the first ten
    steps). Over the line: more than 1000 times that, and more than 100, so that a run whose
    gradients have shrunk to nothing is not ill for a spike. Found where three steps are over the
    line, or where a single one is followed by an overflow or by a loss that doubles and stays so:
    one odd batch that passes without harm is not found.

    Where clipping kept what the optimizer consumed below the line, it is found (as a warning)
    only if at least a tenth of the steps from there on are over it. Where several optimizers play
    against each other, as in a GAN, it is a warning too.
    """
    for optimizer, info in run.optimizers.items():
        steps = [step for step in run.steps_of(optimizer) if step.norm is not None]
        explosion = find_explosion(steps, limits)
        if explosion is not None:
            yield _found(run, info, explosion, steps)
        elif len(steps) < limits.explosion_steps:
            yield Abstain(f"needs {limits.explosion_steps} measured steps, saw {len(steps)}")


def _found(run: Run, info: OptimizerInfo, explosion: Explosion, steps: Sequence[Step]) -> Found:
    first = explosion.first
    layers = worst_layers(info, [step for step in steps if step.step >= first.step])
    severe = len(run.optimizers) == 1 and not explosion.clipped
    return Found(
        first.site,
        _message(info, explosion, layers),
        hint=_hint(explosion),
        related=(
            (info.site, "the optimizer was made here"),
            (_layer_site(run, info, layers), "the worst layer was made here"),
            *origin_related(run),
        ),
        evidence=_evidence(explosion, layers) + origin_evidence(run),
        severity=None if severe else Severity.WARNING,
    )


def _message(info: OptimizerInfo, explosion: Explosion, layers: Sequence[Evidence]) -> str:
    first = explosion.first
    ratio = (first.norm or 0.0) / explosion.baseline
    where = f", worst in `{layers[0].quantity.split()[-1]}`" if layers else ""
    then = ""
    if explosion.overflow is not None:
        then = f"; not finite from step {explosion.overflow.step}"
    elif explosion.clipped:
        then = "; clipping hides it"
    return (
        f"the gradients of `{info.name}` explode from step {first.step}: norm {show(first.norm)}, "
        f"{show(ratio)} times the first steps' {show(explosion.baseline)}{where}{then}"
    )


def _hint(explosion: Explosion) -> str:
    if explosion.clipped:
        return "lower the learning rate or mend the initialisation; clipping only caps each step"
    return (
        "lower the learning rate, or clip with torch.nn.utils.clip_grad_norm_ between backward() "
        "and step(); `--trial clip-norm=1.0` shows what clipping would do"
    )


def _evidence(explosion: Explosion, layers: Sequence[Evidence]) -> tuple[Evidence, ...]:
    first, peak, overflow = explosion.first, explosion.peak, explosion.overflow
    facts = [
        measured("gradient norm before clipping", first.norm, first.step),
        measured("median gradient norm of the first steps", explosion.baseline),
        measured("peak gradient norm", peak.norm, peak.step),
        *layers,
    ]
    if overflow is not None:
        facts.append(measured("gradient norm before clipping", overflow.norm, overflow.step))
    return tuple(facts)


def worst_layers(info: OptimizerInfo, steps: Sequence[Step], limit: int = 3) -> list[Evidence]:
    """The tensors with the greatest gradients at the first of the steps that sampled them."""
    for step in steps:
        if step.norms and len(step.norms) == len(info.parameters):
            named = sorted(
                zip(step.norms, info.parameters, strict=True),
                key=lambda pair: -pair[0] if math.isfinite(pair[0]) else -math.inf,
            )
            return [
                measured(f"gradient norm of {name}", norm, step.step)
                for norm, name in named[:limit]
            ]
    return []


def _layer_site(run: Run, info: OptimizerInfo, layers: Sequence[Evidence]) -> Site | None:
    name = layers[0].quantity.split()[-1] if layers else None
    for number in info.models:
        for parameter in run.models[number].parameters if number in run.models else ():
            if parameter.name == name:
                return parameter.site
    return None
