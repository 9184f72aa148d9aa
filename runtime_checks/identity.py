"""A mapping by identity that keeps nothing alive.

Modules, optimizers and tensors may define equality, or not be hashable; and holding them would
change when they are freed.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class IdentityMap(Generic[T]):
    """Values by object; an entry goes when its object does."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Any], T]] = {}

    def __setitem__(self, key: Any, value: T) -> None:
        number = id(key)
        entries = self._entries

        def forget(gone: weakref.ref[Any]) -> None:
            # The number may already be another object's.
            if number in entries and entries[number][0] is gone:
                del entries[number]

        entries[number] = (weakref.ref(key, forget), value)

    def get(self, key: Any, default: T | None = None) -> T | None:
        """The value of an object, and `default` where there is none."""
        entry = self._entries.get(id(key))
        return entry[1] if entry is not None and entry[0]() is key else default

    def __contains__(self, key: object) -> bool:
        entry = self._entries.get(id(key))
        return entry is not None and entry[0]() is key

    def forget(self, key: object) -> None:
        """Drop an object's entry, if it has one."""
        if key in self:
            del self._entries[id(key)]

    def items(self) -> Iterator[tuple[Any, T]]:
        """Objects that are still alive, with their values, in order of their coming."""
        for reference, value in list(self._entries.values()):
            key = reference()
            if key is not None:
                yield key, value

    def values(self) -> list[T]:
        """The values of the objects that are still alive."""
        return [value for key, value in self._entries.values() if key() is not None]
