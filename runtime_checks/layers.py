"""The layers of a run by their qualified names, and how the losses of a run went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trainlint.runtime_checks.detection import Thresholds
from trainlint.runtime_checks.record import OptimizerInfo, Site, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import finite, median


def site_of(run: Run, models: Iterable[int], names: Sequence[str]) -> Site | None:
    """Where the first of these parameters' layers that is known was made."""
    made = {
        parameter.name: parameter.site
        for number in models
        if number in run.models
        for parameter in run.models[number].parameters
    }
    return next((site for name in names if (site := made.get(name))), None)


def named(names: Sequence[str], most: int = 3) -> str:
    """`a`, `b`, `c` and 4 more."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def layers_of(names: Iterable[str]) -> list[str]:
    """The modules that these parameters belong to, each once."""
    return list(dict.fromkeys(name.rpartition(".")[0] or name for name in names))


def got_somewhere(run: Run, info: OptimizerInfo, limits: Thresholds) -> bool | None:
    """Whether the last losses are clearly below the first; None where too few are known."""
    losses = finite(step.loss for step in run.steps_of(info.id))
    if len(losses) < 10:
        return None
    part = min(10, len(losses) // 2)
    first, last = median(losses[:part]), median(losses[-part:])
    if first is None or last is None:
        return None
    return first - last > (1 - limits.update_harm) * abs(first)


def is_rising(steps: Sequence[Step]) -> bool:
    """Whether the learning rate is still being warmed up at the end."""
    rates = [max(step.lrs) for step in steps if step.lrs]
    return bool(rates) and rates[-1] > 1.2 * rates[len(rates) // 2]
