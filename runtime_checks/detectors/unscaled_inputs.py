"""RUN601: the first layer is given numbers that are far too large."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import Inputs
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured


@detector("RUN601", Severity.WARNING, needs=("models",))
def unscaled_inputs(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The first layer of a model is given numbers that were not scaled.

    Weights are initialised for inputs of about 1. Those of 8-bit images, 0 to 255, make outputs and
    gradients hundreds of times as large: the first losses are huge, and the learning rate that
    could be used is tiny.

    Judged by what the first layer with parameters is given, after all that the model does to it
    before: found where its numbers go beyond 50 and deviate by more than 10 (our own figures), each
    time that it was looked at. A warning for 8-bit images, a note for anything else, such as a
    table. Where that layer is a norm, or a norm comes next, the scale does not matter; where the
    weights were loaded, the model may be used to it.
    """
    if not run.inputs:
        yield Abstain("no first layer that takes floating-point numbers was seen in training")
    for model in dict.fromkeys(one.model for one in run.inputs):
        looks = [one for one in run.inputs if one.model == model]
        if all(_is_large(one, limits) for one in looks):
            yield _found(run, looks)


def _is_large(one: Inputs, limits: Thresholds) -> bool:
    if one.normed or not one.fresh:
        return False
    size = max(abs(one.low), abs(one.high))
    return size > limits.unscaled_size and one.std > limits.unscaled_deviation


def _found(run: Run, looks: list[Inputs]) -> Found:
    last = looks[-1]
    low, high = min(one.low for one in looks), max(one.high for one in looks)
    pixels = low >= 0 and 128 < high <= 255 and all(one.whole for one in looks)
    name = run.models[last.model].name if last.model in run.models else "the model"
    layer = f"`{last.layer}` of `{name}`" if last.layer else f"`{name}`"
    what = "8-bit pixels" if pixels else "numbers"
    return Found(
        last.site,
        f"{layer}, the first layer, is given {what} from {low:.3g} to {high:.3g}, not scaled",
        hint="divide by 255, or subtract the mean and divide by the deviation"
        if pixels
        else "subtract the mean of the training data and divide by its deviation",
        evidence=(
            measured("least value of the input", low, last.step),
            measured("greatest value of the input", high, last.step),
            measured("standard deviation of the input", last.std, last.step),
        ),
        severity=None if pixels else Severity.INFO,
    )
