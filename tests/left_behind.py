"""What a script leaves behind, as one hash: its models, optimizers, numbers and random states."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

_STATEFUL = (
    torch.nn.Module,
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    torch.amp.GradScaler,
)


def digest(names: dict[str, Any]) -> str:
    """A line of all that a script's global names hold: `hash models tensors`."""
    parts = [
        part
        for name, value in sorted(names.items())
        if not name.startswith("__")
        for part in _parts(value, depth=0)
    ]
    states = [torch.get_rng_state().numpy().tobytes()]
    states += [repr(np.random.get_state()).encode(), repr(random.getstate()).encode()]
    models = sum(isinstance(value, torch.nn.Module) for value in names.values())
    return f"{hashlib.sha256(b'|'.join([*parts, *states])).hexdigest()} {models} {len(parts)}"


def _parts(value: Any, depth: int) -> Iterator[bytes]:
    if isinstance(value, torch.Tensor):
        dense = value.detach().to_dense() if value.is_sparse else value.detach()
        yield (
            dense.double().numpy().tobytes()
            if dense.is_floating_point()
            else repr(dense.tolist()).encode()
        )
    elif isinstance(value, torch.nn.Module):
        yield from _parts(dict(value.state_dict()), depth)
        yield from _parts([parameter.grad for parameter in value.parameters()], depth)
    elif isinstance(value, _STATEFUL):
        yield from _parts(value.state_dict(), depth)
    elif isinstance(value, (bool, int, float)) or value is None:
        yield repr(value).encode()
    elif isinstance(value, dict) and depth < 6:
        for key, item in value.items():
            yield repr(key).encode() if isinstance(key, (str, int)) else b"key"
            yield from _parts(item, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < 6:
        for item in value:
            yield from _parts(item, depth + 1)
