"""Dropout that is at work in a model which was put into evaluation mode."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch.nn import functional

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.record import DroppedOut, Site
from trainlint.runtime_checks.state import State

# Those that drop out unless they are told not to.
_FUNCTIONS = ("dropout", "dropout1d", "dropout2d", "dropout3d")
_LAYER = torch.nn.modules.dropout._DropoutNd


@dataclass
class _Place:
    """One line that drops out: calls of the root that met it, and those on the same input."""

    how: str
    p: float
    module: str
    calls: int = 0
    repeats: int = 0
    told: int = 0


class Dropping:
    """Looks at dropouts within roots that rest; one that the script asks for by name is meant."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rests = False
        self._root: Any = None
        self._places: dict[Site | None, _Place] = {}
        self._met: set[Site | None] = set()
        self._last: weakref.ref[Any] | None = None
        self._see = state.session.guarded(self._seen)

    def entered(self, module: Any) -> None:
        """Before the script calls a root."""
        self._rests = not module.training and not torch.is_grad_enabled()
        self._root = weakref.ref(module) if self._rests else None

    def left(self, module: Any, args: Any, result: Any) -> None:
        """After the script called a root."""
        if not self._rests:
            return
        self._rests = False
        given = next((value for value in args if isinstance(value, torch.Tensor)), None)
        again = given is not None and self._last is not None and self._last() is given
        self._last = weakref.ref(given) if given is not None else None
        for site in self._met:
            place = self._places[site]
            place.calls += 1
            place.repeats += again
            if place.calls >= 2 * max(place.told, 1):
                self._tell(site, place)
        self._met.clear()

    def function(self, original: Any) -> Any:
        """A dropout function: `training` that is handed over is the script's own decision."""

        @functools.wraps(original)
        def dropout(*args: Any, **kwargs: Any) -> Any:
            if self._rests and self._state.session.here():
                self._see(args, kwargs, "function", sys._getframe(1))
            return original(*args, **kwargs)

        return dropout

    def attention(self, original: Any) -> Any:
        """`scaled_dot_product_attention`, which has no mode."""

        @functools.wraps(original)
        def scaled_dot_product_attention(*args: Any, **kwargs: Any) -> Any:
            if self._rests and self._state.session.here():
                self._see(args, kwargs, "attention", sys._getframe(1))
            return original(*args, **kwargs)

        return scaled_dot_product_attention

    def _seen(self, args: Any, kwargs: Any, how: str, frame: FrameType) -> None:
        if how == "attention":
            p = args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0)
        else:
            p = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
        if not p:
            return
        modules = list(_modules(frame))
        layer = modules[0] if modules else None
        if how == "function" and isinstance(layer, _LAYER):
            # The layer hands over its own mode; one that the model does not hold was never told.
            if not layer.training or len(modules) < 2 or self._holds(layer):
                return
            how, modules = "layer", modules[1:]
        elif how == "function" and (len(args) > 2 or "training" in kwargs):
            return
        if not modules or modules[0].training:
            return
        site = user_site()
        self._met.add(site)
        self._places.setdefault(site, _Place(how, float(p), type(modules[0]).__name__))

    def _holds(self, layer: Any) -> bool:
        root = self._root() if self._root is not None else None
        return root is None or any(part is layer for part in root.modules())

    def _tell(self, site: Site | None, place: _Place) -> None:
        place.told = place.calls
        step = self._state.session.step
        told = (place.how, place.p, place.module, place.calls, place.repeats)
        self._state.session.emit(DroppedOut(step, site, *told))

    def finish(self) -> None:
        """At the end: the final counts."""
        for site, place in self._places.items():
            if place.calls > place.told:
                self._tell(site, place)


def _modules(frame: FrameType | None) -> Iterator[Any]:
    """The modules in whose methods a frame stands, the innermost first; each once."""
    last = None
    while frame is not None:
        code = frame.f_code
        if code.co_argcount and code.co_varnames[0] == "self":
            owner = frame.f_locals.get("self")
            if isinstance(owner, torch.nn.Module) and owner is not last:
                last = owner
                yield owner
        frame = frame.f_back


def install(state: State, patches: Patches) -> None:
    """Watch roots and the functions that drop out."""
    dropping = Dropping(state)
    guarded = state.session.guarded
    for name in _FUNCTIONS:
        patches.replace(functional, name, dropping.function)
    patches.replace(functional, "scaled_dot_product_attention", dropping.attention)
    state.session.before_root.append(guarded(dropping.entered))
    state.after_root.append(guarded(dropping.left))
    state.session.at_end.append(guarded(dropping.finish))
