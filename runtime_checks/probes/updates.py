"""How far a step moved the weights, relative to their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.readings import Readings

# Elements that may be copied for one sample: 80 MB of float32.
_MOST = 20_000_000


@dataclass
class Snapshot:
    """Weights before a step."""

    parameters: list[Any]
    copies: list[Any]

    def ratio(self, readings: Readings) -> float | None:
        """Largest |dw| / |w| over the tensors; None where there is none with |w| > 0."""
        with torch.no_grad():
            moved = [
                p.detach() - copy for p, copy in zip(self.parameters, self.copies, strict=True)
            ]
        before = readings.read(gradients.norms(self.copies))
        change = readings.read(gradients.norms(moved))
        pairs = zip(change.values, before.values, strict=True)
        return max((d / w for d, w in pairs if w > 0), default=None)


def take_snapshot(parameters: Sequence[Any]) -> Snapshot:
    """Copy tensors of two dimensions and up, the smallest first, up to a limit of memory.

    Biases and norms' scales are left out: they begin at 0 or 1, and say nothing by a ratio.
    """
    taken, size = [], 0
    for parameter in sorted(parameters, key=lambda parameter: int(parameter.numel())):
        size += parameter.numel()
        if parameter.dim() >= 2 and size <= _MOST:
            taken.append(parameter)
    return Snapshot(taken, [parameter.detach().clone() for parameter in taken])
