"""RUN303: a model is trained while it is in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import RestedTraining
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN303", Severity.WARNING, confirms=("TRN301", "TRN303"), needs=("steps",))
def training_in_evaluation_mode(run: Run, limits: Thresholds) -> Iterator[Result]:
    """An optimizer trains a model that stands in evaluation mode.

    Its Dropout is off, and its BatchNorm normalises by running statistics that no longer follow the
    weights. The training loss looks well; what comes out is another model than was meant.

    Counted are the optimizer's steps whose gradients came from that model in evaluation mode
    alone, so that an attack on its input, or a look at its gradients, is none. Found after ten of
    them, where they are at least half of all steps from the first of them on, and most of the
    weights train. Every layer that knows two modes (Dropout above 0, BatchNorm with running
    statistics) must rest: where some do not, the script tells them apart. BatchNorm alone may rest
    for good reason in a model that comes with statistics of an earlier training; there it is found
    only if it was in training mode before in this run, or has no statistics yet.

    Source: the documentation of torch.nn.Module.train and torch.nn.BatchNorm1d.
    """
    latest = {(one.optimizer, one.model): one for one in run.rested}
    for one in latest.values():
        reason = _why_not(one, limits)
        if reason is None:
            yield _found(one, run)
        else:
            yield Abstain(reason)


def _why_not(one: RestedTraining, limits: Thresholds) -> str | None:
    """Why a model at rest is none to speak of; None where it is."""
    if not any("Dropout" in layer for layer in one.layers) and not (one.fresh or one.trained):
        return "a model with statistics of an earlier training keeps them"
    if one.share < 0.5:
        return "most weights of the model that rests are frozen"
    if one.steps < limits.rested_steps:
        return f"needs {limits.rested_steps} steps in evaluation mode, saw {one.steps}"
    if one.steps < limits.rested_share * one.of:
        return "the model is in training mode for most steps"
    return None


def _found(one: RestedTraining, run: Run) -> Found:
    model = run.models.get(one.model)
    name = model.name if model is not None else "the model"
    layers = " and ".join(one.layers)
    since = f" from step {one.since} on" if one.since else ""
    return Found(
        one.switched or one.site,
        f"`{name}` is trained in evaluation mode, its {layers} at rest, "
        f"in {count(one.steps, 'step')} of {one.of}{since}",
        hint="call train() on it before each training pass, after each evaluation",
        related=((one.site, "the gradients are computed here"),) if one.switched else (),
        evidence=(
            measured("steps in evaluation mode", one.steps, one.since),
            measured("layers at rest", ", ".join(one.layers)),
        ),
    )
