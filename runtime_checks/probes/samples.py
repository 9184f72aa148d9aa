"""Hashes of samples: the same numbers in the same order give the same one, and hardly any other."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import torch

# Of a larger sample, every so manieth number is looked at.
_MOST_NUMBERS = 512
_MOST_ROWS = 1024
_DEEP = 3
_VIEWS = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}


def tensors_in(batch: Any, depth: int = 0) -> Iterator[Any]:
    """The tensors of a batch, whatever they are packed in."""
    if isinstance(batch, torch.Tensor):
        yield batch
    elif depth < _DEEP and isinstance(batch, (tuple, list, Mapping)):
        for part in batch.values() if isinstance(batch, Mapping) else batch:
            yield from tensors_in(part, depth + 1)


def hash_samples(batch: Any) -> list[int]:
    """A hash of each sample: of its inputs, which is the tensor that says the most of each.

    Empty where none is told: a tensor on a device, since asking it would make the host wait.
    """
    tensors = [tensor for tensor in tensors_in(batch) if _can_be_hashed(tensor)]
    if not tensors:
        return []
    size = len(tensors[0])
    inputs = max(tensors, key=lambda tensor: tensor.numel() if len(tensor) == size else 0)
    with torch.no_grad():
        return _hash_rows(inputs.detach()[:_MOST_ROWS])


def is_constant(batch: Any) -> bool:
    """Whether every tensor of the batch holds one number only."""
    tensors = [tensor.detach() for tensor in tensors_in(batch) if tensor.numel()]
    return all(bool((tensor == tensor.reshape(-1)[0]).all()) for tensor in tensors)


def is_fine(batch: Any) -> bool:
    """Whether samples are made of so many different fractions that no two are equal by chance."""
    tensors = [tensor for tensor in tensors_in(batch) if _can_be_hashed(tensor)]
    inputs = max(tensors, key=lambda tensor: tensor.numel(), default=None)
    if inputs is None or not inputs.is_floating_point() or inputs.numel() < 4 * len(inputs):
        return False
    some = inputs.detach().reshape(-1)[:_MOST_ROWS]
    return bool(2 * len(some.unique()) > len(some))


def _can_be_hashed(tensor: Any) -> bool:
    return (
        type(tensor) is torch.Tensor
        and tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and tensor.dim() > 0
        and tensor.numel() > 0
        and not tensor.is_complex()
        and not tensor.is_quantized
    )


def _hash_rows(rows: Any) -> list[int]:
    flat = rows.reshape(len(rows), -1)
    flat = flat[:, :: -(-flat.shape[1] // _MOST_NUMBERS)].contiguous()
    bits = flat.view(_VIEWS[flat.element_size()]).long()
    bits = bits ^ (bits >> 17)
    hashes: list[int] = (bits * _weights(bits.shape[1])).sum(1).tolist()
    return hashes


@functools.lru_cache(maxsize=8)
def _weights(length: int) -> Any:
    """Odd numbers without a pattern, one for each place: a fixed sequence, that draws nothing."""
    numbers = torch.arange(1, length + 1, dtype=torch.int64) * -7046029254386353131
    numbers = (numbers ^ (numbers >> 29)) * -4658895280553007687
    return (numbers ^ (numbers >> 32)) | 1
