"""The first loss, gradient and weight that is not a number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainlint.runtime_checks.record import NonFinite, Site
from trainlint.runtime_checks.state import State

_MOST_NAMES = 10


def check_loss(state: State, step: int, site: Site | None, loss: float | None) -> None:
    """Report the first loss that is not finite."""
    if loss is not None and not math.isfinite(loss):
        _report(state, NonFinite(step, "loss", [], site, loss))


def check_norms(
    state: State,
    what: str,
    site: Site | None,
    names: Sequence[str],
    norms: Sequence[float],
) -> bool:
    """Report the first gradients or weights whose norm is not finite; whether there were any."""
    bad = [(n, v) for n, v in zip(names, norms, strict=True) if not math.isfinite(v)]
    if bad:
        shown = [name for name, _ in bad[:_MOST_NAMES]]
        _report(state, NonFinite(state.session.step, what, shown, site, bad[0][1]))
    return bool(bad)


def _report(state: State, line: NonFinite) -> None:
    if line.what not in state.nonfinite:
        state.nonfinite.add(line.what)
        state.session.emit(line)
        for look in state.on_nonfinite:
            look(line.what)
