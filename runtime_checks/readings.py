"""Scalars that are still on their device, fetched together.

Asking a GPU for one number makes the host wait for all that is queued. Readings are collected and
fetched once per optimizer step, with one transfer per device and type; on the CPU, where nothing
is queued, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

# Forced out after this many, so that a loop without steps does not hoard tensors.
_MOST = 64


class Reading:
    """Numbers that were asked for."""

    def __init__(self, owner: Readings, tensors: list[Any]) -> None:
        self._owner = owner
        self._tensors = tensors
        self._values: list[float] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the numbers have arrived."""
        return self._values is not None

    @property
    def values(self) -> list[float]:
        """The numbers; fetches whatever is waiting if these are not there yet."""
        if self._values is None:
            self._owner.sync()
        return self._values or []

    def take(self) -> None:
        """Fetch on the spot."""
        self.put(fetch(self._tensors))

    def put(self, values: list[float]) -> None:
        """What was asked for has arrived."""
        self._values = values
        self._tensors = []


class Readings:
    """What waits to be fetched, and what is to be done then, in order."""

    def __init__(self) -> None:
        self._waiting: list[Reading] = []
        self._then: list[Callable[[], None]] = []

    def read(self, tensors: Sequence[Any]) -> Reading:
        """Ask for one-element tensors; they must not be changed by anyone before the fetch."""
        reading = Reading(self, list(tensors))
        if all(tensor.device.type == "cpu" for tensor in tensors):
            reading.take()
            return reading
        self._waiting.append(reading)
        return reading

    def read_now_or_copy(self, tensor: Any) -> Reading:
        """Ask for one number that the script may change in place before it is fetched."""
        if tensor.device.type != "cpu":
            return self.read([tensor.detach().clone()])
        reading = Reading(self, [])
        reading.put([float(tensor.item())])
        return reading

    def after(self, action: Callable[[], None]) -> None:
        """Run `action` once all that was asked for so far has arrived."""
        if not self._waiting:
            action()
            return
        self._then.append(action)
        if len(self._then) > _MOST:
            self.sync()

    def sync(self) -> None:
        """Fetch everything, then run what waited for it."""
        waiting, self._waiting = self._waiting, []
        then, self._then = self._then, []
        tensors = [tensor for reading in waiting for tensor in reading._tensors]
        values = iter(fetch(tensors))
        for reading in waiting:
            reading.put([next(values) for _ in reading._tensors])
        for action in then:
            action()


def fetch(tensors: Sequence[Any]) -> list[float]:
    """The numbers in one-element tensors, one transfer per device and type."""
    groups: dict[tuple[Any, Any], list[int]] = {}
    for index, tensor in enumerate(tensors):
        groups.setdefault((tensor.device, tensor.dtype), []).append(index)
    values = [0.0] * len(tensors)
    with torch.no_grad():
        for indices in groups.values():
            together = torch.stack([tensors[index].detach().reshape(()) for index in indices])
            for index, value in zip(indices, together.tolist(), strict=True):
                values[index] = float(value)
    return values
