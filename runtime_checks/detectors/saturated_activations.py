"""RUN802: tanh and sigmoid at the ends of their range."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import got_somewhere, layers_of, site_of
from trainlint.runtime_checks.record import Activation
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured


@detector("RUN802", Severity.WARNING, needs=("steps",), explained_by=("RUN112",))
def saturated_activations(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Most units of a hidden tanh or sigmoid sit at the ends of their range.

    There the slope is next to nothing, and so is the gradient that goes back: inputs that were not
    scaled, weights that are too large, or a step that threw them there.

    A unit counts where its mean distance from the middle is beyond 0.85 of the range, over 20
    training batches (the measure of Rakitianskaia and Engelbrecht 2015). Found where more than
    half of a layer's units are so from the first block to the last; or where they are in the last
    block, and the loss is no lower than at first. Gates, whose output is multiplied with
    something, and the output of a network may sit where they like. A network that has learnt its
    task may saturate, and is left alone.
    """
    blocks: dict[tuple[int, str, str], list[Activation]] = {}
    for one in run.activations:
        if one.function != "relu":
            blocks.setdefault((one.model, one.after, one.function), []).append(one)
    if not blocks:
        yield Abstain("needs 20 batches through a hidden tanh or sigmoid, saw fewer")
    for series in blocks.values():
        last = series[-1]
        if last.share <= limits.saturated_share or last.units < 2:
            continue
        begun = all(one.share > limits.saturated_share for one in series)
        got = [got_somewhere(run, info, limits) for info in run.optimizers.values()]
        if begun or (got and all(one is False for one in got)):
            yield _found(run, last, begun)


def _found(run: Run, one: Activation, begun: bool) -> Found:
    (layer,) = layers_of([one.after])
    return Found(
        site_of(run, [one.model], [one.after]),
        f"{round(one.share * one.units)} of {one.units} units of the {one.function} after "
        f"`{layer}` are saturated{' from the start' if begun else ''}: hardly any gradient passes",
        hint="scale the inputs to mean 0 and deviation 1, and initialise with xavier_uniform_"
        if begun
        else "lower the learning rate, or normalise before the activation",
        evidence=(
            measured("part of the units beyond 0.85 of the range", one.share, one.step),
            measured("batches that were looked at", one.batches),
        ),
    )
