"""Whether a parameter moves, told by a few of its values: those with the greatest gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

# A rule that moves a parameter at all moves these.
_MOST = 16


@dataclass(frozen=True)
class Fingerprint:
    """Some values of a parameter, by their place in it."""

    places: Any
    values: Any

    def has_moved(self, parameter: Any) -> bool:
        """Whether one of them is another now; a parameter of another size has moved too."""
        with torch.no_grad():
            now = _flat(parameter)
            if now.numel() <= int(self.places.max()):
                return True
            # NaN is no equal of itself.
            same = (now[self.places] == self.values) | (self.values != self.values)
            return not bool(same.all())


def take_fingerprint(parameter: Any) -> Fingerprint | None:
    """Of a parameter with a gradient; None for one without a value."""
    if not parameter.numel():
        return None
    with torch.no_grad():
        grad = parameter.grad.detach()
        if grad.is_sparse:
            grad = grad.to_dense()
        size = grad.reshape(-1).abs()
        places = torch.topk(size, min(_MOST, size.numel())).indices
        places = places.to(parameter.device)
        return Fingerprint(places, _flat(parameter)[places].clone())


def _flat(parameter: Any) -> Any:
    return parameter.detach().reshape(-1)
