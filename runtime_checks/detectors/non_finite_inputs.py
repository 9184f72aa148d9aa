"""RUN608: NaN or infinity in what a model is given."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.explosion import find_explosion
from trainlint.runtime_checks.loaders import site_of
from trainlint.runtime_checks.record import BadInput
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN608", Severity.ERROR, needs=("steps",))
def non_finite_inputs(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The data holds NaN or infinity, and the loss becomes NaN with it.

    One missing value, one division by a deviation of 0, one logarithm of 0 in a sample is enough:
    the step that it takes part in spoils every weight.

    When the first loss is there that is not finite, the batch that the loader gave last is looked
    through, and what the model was called with. Found where one of these holds NaN or infinity, at
    the loader or, without one, at the model's call; the loss that is NaN (RUN105) is told with it.
    A model's own output, given to another one or to a loss, is no data, and neither is what a
    script computes with weights that have exploded. Data with NaN in it that the script takes out
    again, so that losses stay finite, is not found.
    """
    for one in run.bad_inputs:
        if one.loader is None and _has_exploded(run, one.step, limits):
            yield Abstain("the gradients exploded first (RUN104)")
        else:
            yield _found(run, one)
        return


def _has_exploded(run: Run, step: int, limits: Thresholds) -> bool:
    """Whether what the model is given may come from weights that were lost already."""
    explosions = (find_explosion(run.steps_of(number), limits) for number in run.optimizers)
    return any(one is not None and one.first.step < step for one in explosions)


def _found(run: Run, one: BadInput) -> Found:
    name = "NaN" if one.what == "nan" else "infinity"
    loader = one.loader is not None
    values, samples = count(one.values, "value"), f"{one.samples} of {count(one.size, 'sample')}"
    return Found(
        site_of(run, one.loader) if loader else one.site,
        f"the data holds {name}: {values} in {samples} of {one.place} at step {one.step}, and the "
        "loss of that step is not finite",
        hint="look for missing values, divisions by 0 and logarithms of 0 where the data is made; "
        "torch.isfinite(x).all() tells",
        related=((one.site, "the model was called here"),) if loader else (),
        evidence=(
            measured(f"values that are {one.what}", one.values, one.step),
            measured("samples with them", one.samples, one.step),
        ),
    )
