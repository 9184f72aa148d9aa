"""RUN103: parameters that get gradients and never move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import ModelInfo, Run, Unheld
from trainlint.runtime_checks.series import measured


@detector("RUN103", Severity.WARNING, confirms=("TRN508",), needs=("steps",))
def unheld_parameters(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A model is trained, and part of it is held by no optimizer.

    Those parameters require a gradient and get one, and stay as they were initialised: a layer
    that was added or replaced after the optimizer was made, or that was left out of its list. If
    they are meant to stay, `requires_grad_(False)` says so and saves the work.

    Found once it has held for 20 steps, so that an optimizer which steps only now and then has
    had its turn. Parameters that the script itself moves, by an update of its own, are left alone:
    some of their values are compared with what they were. A model of which *no* parameter is held
    is left alone: a fixed network inside a loss (a perceptual loss, a critic, a teacher) looks just
    so.
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
    if not held:
        yield Abstain(
            f"no optimizer holds any of `{model.name}`, which gets gradients: a fixed network in "
            "the loss looks the same"
        )
    elif unheld.steps < limits.unheld_steps:
        yield Abstain(f"needs {limits.unheld_steps} steps, saw {unheld.steps}")
    else:
        yield _found(model, names, unheld)


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
        f"no optimizer holds {shown}{more} of `{model.name}`: they get gradients and never move",
        hint="hand them to the optimizer, or freeze them with requires_grad_(False)",
        related=((model.site, "the model was made here"),) if model.site != site else (),
        evidence=(
            measured("parameters that no optimizer holds", len(names), unheld.step),
            measured("steps through which they were not held", unheld.steps, unheld.step),
        ),
    )
