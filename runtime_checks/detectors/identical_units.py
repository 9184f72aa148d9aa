"""RUN803: units of a layer that are all the same."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import named, site_of
from trainlint.runtime_checks.record import OptimizerInfo, Uniform
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured


@detector("RUN803", Severity.WARNING, needs=("steps",))
def identical_units(run: Run, limits: Thresholds) -> Iterator[Result]:
    """All units of a layer begin with the same weights, and training keeps them the same.

    Units that start alike, and feed the next layer alike, get the same gradient: they stay alike,
    and a layer of a hundred does the work of one. So it goes where weights are initialised to a
    constant. Where they are all 0, with a layer of zeros behind, they get no gradient at all.

    A weight is suspected where its rows are equal to the bit at the first step. Found where, over
    15 looks or more, it moves and its rows stay within 1e-4 of its norm of each other; or where
    two such weights at least never move. A head that begins at 0 (as in residual networks, LoRA or
    diffusion models) gets different gradients for its rows, and is cleared at the first step.
    """
    last: dict[tuple[int, bool], Uniform] = {}
    for one in run.uniform:
        last[one.optimizer, one.moving] = one
    if not run.movements:
        yield Abstain("no step was looked at closely")
    for line in last.values():
        info = run.optimizers.get(line.optimizer)
        if info is None or not line.names or (not line.moving and len(line.names) < 2):
            continue
        if line.samples < limits.uniform_samples:
            yield Abstain(f"needs {limits.uniform_samples} looks, saw {line.samples}")
        else:
            yield _found(run, info, line)


def _found(run: Run, info: OptimizerInfo, line: Uniform) -> Found:
    then = "training moves them all alike" if line.moving else "no gradient tells them apart"
    return Found(
        site_of(run, info.models, line.names) or info.site,
        f"all units of {named(line.names)} have the same weights, and {then}",
        hint="initialise weights at random: nn.init.xavier_uniform_ or kaiming_normal_; only "
        "biases may begin at a constant",
        evidence=(
            measured("weights whose rows are the same", len(line.names), line.step),
            measured("looks at which they were", line.samples),
        ),
    )
