"""What a run uses up: graphs that stay alive, memory, and time spent waiting for data."""

from __future__ import annotations

import dis
import functools
import os
import statistics
import sys
import time
import weakref
from types import CodeType, FrameType
from typing import Any

import torch
from torch.utils.data import dataloader as loading

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_path, user_site
from trainlint.runtime_checks.record import KeptGraphs, Memory, Site, Waiting
from trainlint.runtime_checks.state import State

_KEY = "trainlint"
# Graphs that are alive before it is told the first time.
_FEW = 3
# Fetches whose times are kept; more tell nothing new.
_MOST = 512
_SKIPPED = 3


class _Sentinel:
    """Lives as long as the graph of a loss."""

    __slots__ = ("__weakref__",)


class Graphs:
    """Counts the losses of the last steps looked at whose graphs are still alive."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._alive: list[weakref.ref[_Sentinel]] = []
        self._looked = 0
        self._told = 0
        self._site: Site | None = None

    def mark(self, tensors: Any) -> None:
        """Before a backward, in steps that are looked at closely."""
        if not self._state.window.is_open:
            return
        self._alive = [one for one in self._alive if one() is not None]
        if not self._alive:
            self._looked = 0
        self._looked += 1
        if len(self._alive) > max(_FEW, 2 * self._told):
            self._tell(len(self._alive))
        node = getattr(tensors, "grad_fn", None)
        if node is not None:
            sentinel = _Sentinel()
            node.metadata[_KEY] = sentinel
            self._alive.append(weakref.ref(sentinel))

    def _tell(self, alive: int) -> None:
        self._told = alive
        keeper, site = _keeper(sys._getframe(2))
        self._state.session.emit(
            KeptGraphs(self._state.session.step, site or user_site(), alive, self._looked, keeper)
        )


def _keeper(frame: FrameType | None) -> tuple[str, Site | None]:
    """The variable of the user's that holds old losses, and the line that adds to it."""
    while frame is not None:
        path = user_path(frame.f_code.co_filename)
        if path is not None:
            for name, value in list(frame.f_locals.items()):
                line = _adds(frame.f_code, name) if _holds_graph(value) else None
                if line is not None:
                    return name, Site(path, line)
        frame = frame.f_back
    return "", None


def _holds_graph(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.grad_fn is not None and value.numel() == 1
    if isinstance(value, list) and len(value) > _FEW:
        return all(_holds_graph(item) for item in value[-2:])
    return False


def _adds(code: CodeType, name: str) -> int | None:
    """The line that reads a variable and stores it again, or calls its `append`."""
    line = 0
    seen: dict[int, set[str]] = {}
    for one in dis.get_instructions(code):
        line = _line_of(one) or line
        kinds = seen.setdefault(line, set())
        if one.argval == name and one.opname.startswith(("LOAD_", "STORE_")):
            kinds.add(one.opname[:4])
        elif one.argval == "append" and "LOAD" in kinds:
            kinds.add("STOR")
    return next((number for number, kinds in seen.items() if kinds == {"LOAD", "STOR"}), None)


def _line_of(one: Any) -> int | None:
    if sys.version_info >= (3, 13):
        number: int | None = one.line_number
        return number
    return one.starts_line if isinstance(one.starts_line, int) else None


class Memories:
    """The memory of the process, and of torch on a GPU, in steps that are looked at closely."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0

    def look(self) -> None:
        """After a step."""
        state = self._state
        if not state.window.is_open or not self._page:
            return
        try:
            with open("/proc/self/statm", "rb") as file:
                resident = int(file.read().split()[1]) * self._page
        except OSError:
            return
        used = torch.cuda.memory_allocated() if torch.cuda.is_initialized() else 0
        whole = not state.session.cut
        state.session.emit(Memory(state.session.step, resident, used, state.epoch, whole))


class Waits:
    """How long a training pass waits for each batch."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._iterator: weakref.ref[Any] | None = None
        self._begun = 0.0
        self._fetched = 0
        self._loaders: IdentityMap[tuple[list[float], list[float]]] = IdentityMap()
        self._told: dict[int, int] = {}
        self._note = state.session.guarded(self._noted)

    def next(self, original: Any) -> Any:
        """`__next__` of the loaders' iterators."""

        @functools.wraps(original)
        def __next__(iterator: Any) -> Any:  # noqa: N807
            if not (torch.is_grad_enabled() and self._state.session.here()):
                return original(iterator)
            began = time.perf_counter()
            batch = original(iterator)
            self._note(iterator, began, time.perf_counter())
            return batch

        return __next__

    def _noted(self, iterator: Any, began: float, ended: float) -> None:
        feeding = self._state.fed_by()
        same = self._iterator is not None and self._iterator() is iterator
        before, self._begun = self._begun, began
        self._fetched = self._fetched + 1 if same else 0
        self._iterator = weakref.ref(iterator)
        if self._fetched < _SKIPPED or feeding is None or not feeding.trained:
            return
        data = getattr(iterator, "_dataset", None)
        known = self._loaders.get(data)
        if known is None:
            known = self._loaders[data] = ([], [])
        waits, periods = known
        if len(waits) >= _MOST:
            return
        waits.append(ended - began)
        periods.append(began - before)
        if len(waits) >= 16 and not len(waits) & (len(waits) - 1):
            self._tell(iterator, feeding.source, waits, periods)

    def _tell(self, iterator: Any, source: int, waits: list[float], periods: list[float]) -> None:
        line = Waiting(
            step=self._state.session.step,
            site=user_site(),
            loader=source,
            fetches=len(waits),
            wait=statistics.median(waits),
            period=statistics.median(periods),
            workers=int(getattr(iterator, "_num_workers", 0)),
        )
        self._state.session.emit(line)


def install(state: State, patches: Patches) -> None:
    """Watch backwards, steps and the iterators of loaders."""
    guarded = state.session.guarded
    state.before_graph.append(guarded(Graphs(state).mark))
    state.session.after_step.append(guarded(Memories(state).look))
    base = getattr(loading, "_BaseDataLoaderIter", None)
    if base is not None:
        patches.replace(base, "__next__", Waits(state).next)
