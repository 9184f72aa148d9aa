"""Act on a module once it has been imported, without importing it.

The probes need torch, but importing it before the script does would change what the script sees:
OpenMP reads its environment variables when torch loads it, and many scripts set those first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

Action = Callable[[], None]


class _Watcher(MetaPathFinder):
    """Finds the modules that are waited for, by asking all other finders."""

    def __init__(self, actions: dict[str, Action]) -> None:
        self._actions = actions

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        action = self._actions.pop(fullname, None)
        if action is None:
            return None
        # Popped above, so that this search does not come back here.
        spec = find_spec(fullname)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            self._actions[fullname] = action
            return spec
        spec.loader = _Loader(spec.loader, action)
        return spec


class _Loader(Loader):
    """Another loader, with an action once it is done."""

    def __init__(self, inner: Loader, action: Action) -> None:
        self._inner = inner
        self._action = action

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Python and others look at these to tell where a module came from.
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        self._inner.exec_module(module)
        self._action()


@contextmanager
def after_import(actions: dict[str, Action]) -> Iterator[None]:
    """Run each action once its module is there: now, or as soon as someone imports it."""
    waiting = {}
    for name, action in actions.items():
        if name in sys.modules:
            action()
        else:
            waiting[name] = action
    watcher = _Watcher(waiting)
    sys.meta_path.insert(0, watcher)
    try:
        yield
    finally:
        sys.meta_path.remove(watcher)
