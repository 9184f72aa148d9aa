"""Which trials the findings of a run call for: what `--try` runs."""

from __future__ import annotations

from collections.abc import Iterable

# By code, the most promising first: AutoTrainer's order, as far as we have its repairs.
CALLED_FOR = {
    "RUN104": ("clip-norm=1.0", "lr=0.1"),
    "RUN105": ("lr=0.1", "clip-norm=1.0"),
    "RUN106": ("one-batch",),
    "RUN111": ("lr-range",),
    "RUN112": ("lr=0.1",),
    "RUN306": ("one-batch", "lr-range"),
    "RUN307": ("lr=0.1", "clip-norm=1.0"),
    "RUN308": ("lr=0.1", "lr-range"),
    "RUN407": ("one-batch", "lr=0.1"),
    "RUN408": ("one-batch", "lr=0.1"),
    "RUN801": ("lr=0.1",),
    "RUN802": ("lr=0.1",),
}


def called_for(codes: Iterable[str]) -> list[str]:
    """The trials, each once, in the order of the findings."""
    return list(dict.fromkeys(trial for code in codes for trial in CALLED_FOR.get(code, ())))
