"""RUN801: ReLUs that never fire."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import layers_of, site_of
from trainlint.runtime_checks.record import Activation
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured


@detector("RUN801", Severity.WARNING, needs=("steps",))
def dead_relu(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Most units of a ReLU are 0 for every sample, and get no gradient any more.

    A step that is too large, or a bias far below 0, pushes a unit to where no input reaches it;
    as the gradient of a ReLU is 0 there, it never comes back.

    A unit is dead that was not above 0 once in 20 training batches that were looked at (10, at the
    end of a run), with at least 200 values of it. Found where more than 75 % of a layer's units
    are dead in the last such block. Half of them (the mark of the field) are off from the start
    where inputs vary little against their mean, and the layer trains all the same. A unit that
    fires seldom is not dead.
    """
    last = _last(run, "relu")
    if not last:
        yield Abstain("needs 20 batches through a ReLU that were looked at, saw fewer")
    for one in last:
        if one.samples < limits.dead_samples:
            yield Abstain(f"needs {limits.dead_samples} values of a unit, saw {one.samples}")
        elif one.share > limits.dead_share and one.units > 1:
            yield _found(run, one)


def _last(run: Run, function: str) -> list[Activation]:
    """The last block of each activation of that kind."""
    kind = (one for one in run.activations if one.function == function)
    return list({(one.model, one.after): one for one in kind}.values())


def _found(run: Run, one: Activation) -> Found:
    (layer,) = layers_of([one.after])
    dead = round(one.share * one.units)
    first = next(
        other
        for other in run.activations
        if (other.function, other.model, other.after) == ("relu", one.model, one.after)
    )
    then = "from the start" if first.share > 0.5 else "since training began"
    return Found(
        site_of(run, [one.model], [one.after]),
        f"{dead} of {one.units} units of the ReLU after `{layer}` are dead: 0 for every sample of "
        f"{one.batches} batches, {then}",
        hint="lower the learning rate, look at the initialisation and the scale of the inputs, or "
        "use LeakyReLU or GELU",
        evidence=(
            measured("part of the units that never fire", one.share, one.step),
            measured("part in the first block", first.share, first.step),
            measured("values of each unit that were seen", one.samples),
        ),
    )
