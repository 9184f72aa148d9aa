"""Measuring gradients: norms per tensor, in one pass, whatever their type."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch

# These overflow or lose digits when a norm is returned in the tensor's own type.
_SHORT = (torch.float16, torch.bfloat16)


def trainable(optimizer: Any) -> list[Any]:
    """The tensors of an optimizer that require a gradient, in order."""
    return [
        parameter
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.requires_grad
    ]


def held(optimizer: Any) -> list[Any]:
    """All tensors of an optimizer, in order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def norms(tensors: Sequence[Any]) -> list[Any]:
    """L2 norm of each tensor, as a tensor on its device."""
    with torch.no_grad():
        result: list[Any] = [None] * len(tensors)
        plain: dict[tuple[Any, Any], list[int]] = {}
        for index, tensor in enumerate(tensors):
            if tensor.is_sparse or tensor.dtype in _SHORT or tensor.is_complex():
                result[index] = _norm(tensor)
            else:
                plain.setdefault((tensor.device, tensor.dtype), []).append(index)
        for indices in plain.values():
            together = torch._foreach_norm([tensors[index].detach() for index in indices])
            for index, norm in zip(indices, together, strict=True):
                result[index] = norm
        return result


def total(values: Iterable[float]) -> float:
    """L2 norm over all tensors, from the norm of each; infinite or NaN where one of them is."""
    return math.hypot(*values)


def _norm(tensor: Any) -> Any:
    values = tensor.detach()
    if values.is_sparse:
        values = values.coalesce().values()
    return torch.linalg.vector_norm(values.abs(), dtype=torch.float32)
