"""RUN107: gradients that fade on the way to the first layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.layers import site_of
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured, median, show

Row = tuple[Step, list[float]]  # a step, and the norms of its weights in order of use


@detector("RUN107", Severity.WARNING, needs=("steps",))
def vanishing_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The gradients of the first layers are next to nothing beside those of the last.

    Each sigmoid, or small weight, on the way back makes them smaller; the first layers stay as they
    were initialised, and the last learn from noise.

    Compared are the gradient norms of the weights (two dimensions and up) in the order in which
    the forward used them, for at least five. Found where, in at least half of the steps after the
    tenth, the first one's is not 0, below 1e-4, and below a thousandth of the last one's, which is
    above 1e-4 itself (else the training has converged); and where the medians fall from the
    last third of the layers to the middle and the first. Thresholds are those of the field
    (AutoTrainer's 1e-4 and 1e-3); the order of use, not of registration, is ours.
    """
    order = max((one.names for one in run.orders), key=len, default=[])
    for info in run.optimizers.values():
        mine = _indices(info, order)
        rows = list(_rows(run, info, mine))
        if len(mine) < limits.vanishing_layers:
            yield Abstain(f"needs {limits.vanishing_layers} layers in a row, saw {len(mine)}")
        elif len(rows) < 10:
            yield Abstain(f"needs 20 steps, saw {len(run.steps_of(info.id))}")
        else:
            faint = [row for row in rows if _is_faint(row[1], limits)]
            if len(faint) >= limits.vanishing_share * len(rows) and _falls(faint):
                yield _found(run, info, [info.parameters[index] for index in mine], faint, rows)


def _indices(info: OptimizerInfo, order: Sequence[str]) -> list[int]:
    """Where the weights stand in the optimizer's list; names that two models share tell nothing."""
    known = {
        name: index
        for index, name in enumerate(info.parameters)
        if info.parameters.count(name) == 1
    }
    return [known[name] for name in order if name in known]


def _rows(run: Run, info: OptimizerInfo, indices: Sequence[int]) -> Iterator[Row]:
    for step in run.steps_of(info.id):
        if step.own >= 10 and step.norms and len(step.norms) == len(info.parameters) and indices:
            yield step, [step.norms[index] for index in indices]


def _is_faint(norms: Sequence[float], limits: Thresholds) -> bool:
    first, last = norms[0], norms[-1]
    return 0 < first < limits.vanishing_floor < last and first < limits.vanishing_ratio * last


def _falls(rows: Sequence[Row]) -> bool:
    """Whether the medians over thirds of the layers fall towards the first."""
    layers = [median(norms[index] for _, norms in rows) or 0.0 for index in range(len(rows[0][1]))]
    third = len(layers) // 3
    first, middle, last = (
        median(part) or 0.0 for part in (layers[:third], layers[third:-third], layers[-third:])
    )
    return first < 0.3 * middle < 0.3 * last


def _found(
    run: Run, info: OptimizerInfo, names: Sequence[str], faint: Sequence[Row], rows: Sequence[Row]
) -> Found:
    step, norms = faint[0]
    return Found(
        site_of(run, info.models, names),
        f"gradients vanish on the way back: that of `{names[0]}` is {show(norms[0])}, that of "
        f"`{names[-1]}` {show(norms[-1])} ({len(faint)} of {count(len(rows), 'step')})",
        hint="use ReLU or GELU in place of sigmoid and tanh, normalisation between the layers, "
        "shortcuts, or an initialisation that fits the activation",
        related=((site_of(run, info.models, names[-1:]), "the last layer was made here"),),
        evidence=(
            measured(f"gradient norm of {names[0]}", norms[0], step.step),
            measured(f"gradient norm of {names[-1]}", norms[-1], step.step),
            measured("layers between them", len(names) - 2),
        ),
    )
