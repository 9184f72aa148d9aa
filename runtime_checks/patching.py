"""Replace attributes for a time, and put every one of them back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

_ABSENT = object()


class Patches(ExitStack):
    """Replacements and hooks that are undone, last first, when this context is left."""

    def __init__(self, globals_of_caller: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._globals = globals_of_caller

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Set `owner.name` to what `make` makes of it; where there is none, do nothing.

        A name of the same object among the globals of a loop that is watched from inside is
        replaced too: it was imported from `owner` before we came.
        """
        original = getattr(owner, name, None)
        if original is not None:
            self.put(owner, name, make(original))

    def put(self, owner: Any, name: str, changed: Any) -> None:
        """Set `owner.name`, where there is one, to something ready made."""
        original = getattr(owner, name, None)
        if original is None:
            return
        self._set(owner, name, changed)
        if self._globals is not None:
            for key in [key for key, value in self._globals.items() if value is original]:
                self._globals[key] = changed
                self.callback(self._globals.__setitem__, key, original)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        # An attribute that was inherited is deleted again, not copied down.
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)
        if before is _ABSENT:
            self.callback(delattr, owner, name)
        else:
            self.callback(setattr, owner, name, before)

    def keep(self, handle: Any) -> None:
        """Remove a hook's handle when this context is left."""
        self.callback(handle.remove)
