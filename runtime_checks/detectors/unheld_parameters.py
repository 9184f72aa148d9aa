"""RUN103: parameters that get gradients and never move."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Remark, Result, Thresholds, detector
from trainlint.runtime_checks.record import ModelInfo, Unheld
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN103", Severity.WARNING, confirms=("TRN508",), needs=("steps",))
def unheld_parameters(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A model is trained, and part of it is held by no optimizer.

    Those parameters require a gradient and get one, and stay as they were initialised: a layer
    that was added or replaced after the optimizer was made, or that was left out of its list. If
    they are meant to stay, `requires_grad_(False)` says so and saves the work.

    Found once it has held for 20 steps, so that an optimizer which steps only now and then has
    had its turn. Parameters that the script itself moves, by an update of its own, are left alone:
    some of their values are compared with what they were. A model of which *no* parameter is held
    is found only where it looks like a head: made by the script and never loaded, no larger than
    another model that is held, always in training mode, called once for each backward, and on what
    other modules computed. A fixed network inside a loss (a perceptual loss, a critic, a teacher)
    is not, and gets a note. Layers that a model keeps in a plain list belong to no model, and no
    optimizer that is made from `model.parameters()` holds them: they are found by the losses that
    depend on them.
    """
    last = {(unheld.model, tuple(unheld.names)): unheld for unheld in _unmoved(run)}
    worst: dict[int, Unheld] = {}
    for unheld in last.values():
        if unheld.model not in worst or unheld.steps >= worst[unheld.model].steps:
            worst[unheld.model] = unheld
    for number, unheld in worst.items():
        yield from _judge(run, run.models.get(number), unheld, limits)
    if not worst and len(run.steps) < limits.unheld_steps:
        yield Abstain(f"needs {limits.unheld_steps} steps, saw {len(run.steps)}")


def _unmoved(run: Run) -> Iterator[Unheld]:
    """What was unheld, without the parameters that moved all the same."""
    moved = {(one.model, name) for one in run.moved for name in one.names}
    for unheld in run.unheld:
        names = [name for name in unheld.names if (unheld.model, name) not in moved]
        if names:
            yield replace(unheld, names=names)


def _judge(
    run: Run, model: ModelInfo | None, unheld: Unheld, limits: Thresholds
) -> Iterator[Result]:
    held = _held(run, unheld.model)
    names = [name for name in unheld.names if name not in held]
    if model is None or not names:
        return
    whole = not held and not model.loose
    if whole and not (unheld.part and _is_minor(run, model)):
        yield from _meant(model)
    elif unheld.steps < limits.unheld_steps:
        yield Abstain(f"needs {limits.unheld_steps} steps, saw {unheld.steps}")
    else:
        yield _found(model, names, unheld)


def _meant(model: ModelInfo) -> Iterator[Result]:
    """A network that may be fixed on purpose."""
    where = f" (line {model.site.line})" if model.site else ""
    told = f"no optimizer holds any of `{model.name}`{where}, which gets gradients"
    yield Remark(f"{told}: meant so if it is a fixed network in the loss")
    yield Abstain(f"{told}: a fixed network in the loss looks the same")


def _is_minor(run: Run, model: ModelInfo) -> bool:
    """Whether another model is held, and is no smaller: as a backbone is beside its head."""
    others = (one for one in run.models.values() if one.id != model.id and _held(run, one.id))
    return _size(model) <= max(map(_size, others), default=-1)


def _size(model: ModelInfo) -> int:
    return sum(math.prod(parameter.shape) for parameter in model.parameters)


def _held(run: Run, model: int) -> set[str]:
    """Names of that model's parameters that some optimizer of the run holds."""
    holders = [info for info in run.optimizers.values() if model in info.models]
    return {name for info in holders for name in info.parameters if name != "?"}


def _found(model: ModelInfo, names: list[str], unheld: Unheld) -> Found:
    infos = {info.name: info for info in model.parameters}
    layers = list(dict.fromkeys(infos[name].site for name in names if name in infos))
    site = next((layer for layer in layers if layer), model.site)
    shown = ", ".join(f"`{name}`" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Found(
        site,
        _message(model, f"{shown}{more}"),
        hint="keep layers in an nn.ModuleList or nn.ModuleDict: parameters() misses those "
        "in a plain list or dict"
        if model.loose
        else "hand them to the optimizer, or freeze them with requires_grad_(False)",
        related=((model.site, "the model was made here"),) if model.site != site else (),
        evidence=(
            measured("parameters that no optimizer holds", len(names), unheld.step),
            measured("steps through which they were not held", unheld.steps, unheld.step),
        ),
    )


def _message(model: ModelInfo, names: str) -> str:
    if model.loose:
        layers = count(model.loose, "layer")
        return (
            f"`{model.name}` computes with {layers} that it does not register, and no optimizer "
            f"holds: {names} get gradients and never move"
        )
    return f"no optimizer holds {names} of `{model.name}`: they get gradients and never move"
