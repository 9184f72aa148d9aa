"""RUN109: what was frozen is moved."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import named, site_of
from trainlint.runtime_checks.record import FrozenMoved, NotFrozen
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN109", Severity.WARNING, confirms=("TRN006",), needs=("steps",))
def frozen_parameter_moves(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A parameter that was frozen moves all the same.

    An optimizer moves whatever has a `.grad`; it does not ask for `requires_grad`. A layer that
    is frozen in the middle of a training keeps its last gradient where nothing clears it, or
    zeros, by which momentum and weight decay go on moving it. And nothing at all is frozen by
    `layer.requires_grad = False`: a module takes any attribute, and only `requires_grad_(False)`
    reaches its parameters. The same goes for a misspelt attribute of a parameter.

    Both are facts: found where a step changed a tensor that requires no gradient, three times in
    the steps that are looked at, beside others that do require one; or where such an attribute is
    False on a module, or a parameter, whose parameters got gradients. Statistics of BatchNorm and
    averages of weights are no parameters of an optimizer, and gradients that a script hands over
    itself, to an optimizer of frozen tensors alone, are meant.
    """
    if not run.movements:
        yield Abstain("no step was looked at closely")
    last = {(one.optimizer, one.how): one for one in run.frozen_moved}
    for moved in last.values():
        if moved.steps >= 2:
            yield _moved(run, moved)
    for line in {(one.model, one.attribute, one.owner): one for one in run.not_frozen}.values():
        yield _not_frozen(run, line)


def _moved(run: Run, moved: FrozenMoved) -> Found:
    info = run.optimizers.get(moved.optimizer)
    models = info.models if info else []
    left = (
        "a gradient is left over from before they were frozen"
        if moved.how == "gradient"
        else "their gradients are zeros, and momentum or weight decay goes on"
    )
    site = next((one.site for one in run.steps_of(moved.optimizer) if one.step >= moved.step), None)
    return Found(
        site,
        f"{named(moved.names)} are frozen, and the optimizer moves them: {left}",
        hint="set their .grad to None when you freeze them, or leave them out of the optimizer",
        related=((site_of(run, models, moved.names), "the layer was made here"),),
        evidence=(
            measured("frozen tensors that moved", len(moved.names), moved.step),
            measured("steps at which they were seen to move", moved.steps),
        ),
    )


def _not_frozen(run: Run, line: NotFrozen) -> Found:
    model = run.models.get(line.model)
    ofa = (
        f"`{line.owner}.{line.attribute} = False`"
        if line.owner
        else (f"`{line.attribute} = False` on the model")
    )
    wrong = "a module has" if line.attribute == "requires_grad" else "a parameter has"
    return Found(
        line.site or site_of(run, [line.model], line.names),
        f"{ofa} freezes nothing: {wrong} no such setting, and "
        f"{count(len(line.names), 'parameter')} ({named(line.names)}) got gradients",
        hint="call requires_grad_(False), on the module or on each parameter",
        related=((model.site if model else None, "the model was made here"),),
        evidence=(measured("parameters that got a gradient", len(line.names), line.step),),
    )
