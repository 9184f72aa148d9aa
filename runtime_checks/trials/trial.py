"""Trials: one change each, made to a run that is otherwise the same.

Parsing needs no torch; the change is made in the child.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainlint.runtime_checks.patching import Patches
    from trainlint.runtime_checks.state import State

# Name and, where one is needed, what its value means.
KNOWN = {
    "clip-norm": "the largest gradient norm, such as clip-norm=1.0",
    "clip-value": "the largest gradient element, such as clip-value=0.5",
    "spectral-norm": "",
    "weight-norm": "",
    "lr": "the factor of every learning rate, such as lr=0.1",
    "lr-range": "",
    "one-batch": "",
}


class TrialError(ValueError):
    """A trial that cannot be understood; the text says what there is."""


@dataclass(frozen=True)
class Trial:
    """A trial and its value, None for one that takes none."""

    name: str
    value: float | None = None

    def install(self, state: State, patches: Patches) -> None:
        """Prepare the change; it is made as soon as the script has built what it changes."""
        if self.name.startswith("clip-"):
            from trainlint.runtime_checks.trials import clipping

            assert self.value is not None
            clipping.install(state, self.name, self.value)
        elif self.name.startswith("lr"):
            from trainlint.runtime_checks.trials import rates

            rates.install(state, patches, self.value)
        elif self.name == "one-batch":
            from trainlint.runtime_checks.trials import one_batch

            one_batch.install(state, patches)
        else:
            from trainlint.runtime_checks.trials import norms

            norms.install(state, self.name)


def parse_trial(text: str) -> Trial:
    """`clip-norm=1.0` or `weight-norm`; raises TrialError."""
    name, _, value = text.partition("=")
    name = name.strip()
    if name not in KNOWN:
        near = difflib.get_close_matches(name, KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KNOWN)}"
        raise TrialError(f"unknown trial {name!r}; {hint}")
    if not KNOWN[name]:
        if value:
            raise TrialError(f"{name} takes no value")
        return Trial(name)
    try:
        number = float(value)
    except ValueError:
        raise TrialError(f"{name} needs a value: {KNOWN[name]}") from None
    if not (number > 0 and math.isfinite(number)):
        raise TrialError(f"{name} needs a value above 0: {KNOWN[name]}")
    return Trial(name, number)
