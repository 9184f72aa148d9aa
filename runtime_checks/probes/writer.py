"""SummaryWriter: the global steps at which scalars are logged."""

from __future__ import annotations

import functools
import operator
from typing import Any

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.record import Log
from trainlint.runtime_checks.state import State


class Logs:
    """Sees `add_scalar`, and numbers the writers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._writers: IdentityMap[int] = IdentityMap()
        self._note = state.session.guarded(self._logged)

    def patched(self, original: Any) -> Any:
        """`add_scalar`, noted."""

        @functools.wraps(original)
        def add_scalar(
            writer: Any, tag: Any, scalar_value: Any, global_step: Any = None, *args: Any, **kw: Any
        ) -> Any:
            if self._state.session.here():
                self._note(writer, tag, global_step)
            return original(writer, tag, scalar_value, global_step, *args, **kw)

        return add_scalar

    def _logged(self, writer: Any, tag: Any, global_step: Any) -> None:
        number = self._writers.get(writer)
        if number is None:
            number = self._writers[writer] = self._state.session.number()
        step = self._state.session.step
        self._state.session.emit(Log(step, user_site(), str(tag), _as_int(global_step), number))


def _as_int(step: Any) -> int | None:
    """A step that is a whole number; a tensor on a GPU would have to be waited for."""
    if getattr(getattr(step, "device", None), "type", "cpu") != "cpu":
        return None
    try:
        return operator.index(step)
    except TypeError:
        return None


def install(state: State, patches: Patches, module: Any) -> None:
    """Patch the writer of a module: torch's, or tensorboardX's."""
    writer = getattr(module, "SummaryWriter", None)
    if writer is not None:
        patches.replace(writer, "add_scalar", Logs(state).patched)
