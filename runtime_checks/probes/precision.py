"""Mixed precision: whether autocast reaches the layers, and what is done with GradScalers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules import module as hooks

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.record import Autocast, Scalers, Site
from trainlint.runtime_checks.state import State

_LAYERS = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
_LOW = (torch.float16, torch.bfloat16)


class Regions:
    """Counts the regions of autocast, and looks at layers while the window is open."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._sites: dict[tuple[Site | None, str], int] = {}
        self._low = self._high = self._outside = 0
        self._hook: Any = None
        self._look = state.session.guarded(self._looked)
        self._note = state.session.guarded(self._noted)

    def entering(self, original: Any) -> Any:
        """`autocast.__enter__`; its older classes call it."""

        @functools.wraps(original)
        def __enter__(region: Any) -> Any:  # noqa: N807
            if self._state.session.here() and torch.is_grad_enabled():
                self._note(region)
            return original(region)

        return __enter__

    def _noted(self, region: Any) -> None:
        if not region._enabled:
            return
        key = (user_site(), str(region.device))
        count = self._sites[key] = self._sites.get(key, 0) + 1
        if self._state.window.is_open:
            self.open()
        if count & (count - 1) == 0:
            self._tell(key)

    def open(self) -> None:
        """Look at every layer, once there is a region that it could run in."""
        if self._sites and self._hook is None:
            self._hook = hooks.register_module_forward_hook(self._left)

    def close(self) -> None:
        """Look at none."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _left(self, module: Any, args: Any, result: Any) -> None:
        if self._sites and isinstance(module, _LAYERS) and torch.is_grad_enabled():
            self._look(result)

    def _looked(self, result: Any) -> None:
        if not self._state.session.here() or not isinstance(result, torch.Tensor):
            return
        if not torch.is_autocast_enabled(result.device.type):
            self._outside += 1
        elif result.dtype in _LOW:
            self._low += 1
        else:
            self._high += 1

    def _tell(self, key: tuple[Site | None, str]) -> None:
        site, device = key
        seen = (self._low, self._high, self._outside)
        step = self._state.session.step
        self._state.session.emit(Autocast(step, site, device, self._sites[key], *seen))

    def finish(self) -> None:
        """At the end: all regions."""
        for key in self._sites:
            self._tell(key)


@dataclass
class _Made:
    """The scalers of one line."""

    site: Site | None
    made: int = 0
    scales: int = 0
    steps: int = 0
    updates: int = 0
    scaled: Site | None = None
    stepped: Site | None = None


class ScalerCalls:
    """Counts what is called, by the line that made the scaler."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_site: dict[Site | None, _Made] = {}
        self._of: IdentityMap[_Made] = IdentityMap()
        self._note = state.session.guarded(self._noted)

    def counting(self, name: str, original: Any) -> Any:
        """One of the scaler's methods."""

        @functools.wraps(original)
        def method(scaler: Any, *args: Any, **kwargs: Any) -> Any:
            if self._state.session.here() and scaler.is_enabled():
                self._note(name, scaler)
            return original(scaler, *args, **kwargs)

        return method

    def _noted(self, name: str, scaler: Any) -> None:
        made = self._of.get(scaler)
        if made is None:
            # Made before, or by, the line that calls it first.
            site = self._state.sites.get(scaler) or user_site()
            made = self._of[scaler] = self._by_site.setdefault(site, _Made(site))
            made.made += 1
        setattr(made, name, getattr(made, name) + 1)
        if name == "scales":
            made.scaled = made.scaled or user_site()
            if made.scales & (made.scales - 1) == 0:
                self._tell(made)
        elif name == "steps":
            made.stepped = made.stepped or user_site()

    def born(self, original: Any) -> Any:
        """The constructor."""

        @functools.wraps(original)
        def __init__(scaler: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(scaler, *args, **kwargs)
            if self._state.session.is_ours():
                self._state.sites[scaler] = user_site(scaler)

        return __init__

    def _tell(self, made: _Made) -> None:
        self._state.session.emit(
            Scalers(
                self._state.session.step,
                made.site,
                made.made,
                made.scales,
                made.steps,
                made.updates,
                made.scaled,
                made.stepped,
            )
        )

    def finish(self) -> None:
        """At the end: all of them."""
        for made in self._by_site.values():
            self._tell(made)


def install(state: State, patches: Patches) -> None:
    """Patch what enters a region, and the scaler's methods; hook layers while a window is open."""
    regions, calls = Regions(state), ScalerCalls(state)
    patches.replace(torch.amp.autocast_mode.autocast, "__enter__", regions.entering)
    state.window.watch(regions.open, regions.close)
    # It moved from torch.cuda.amp to torch.amp in torch 2.3.
    scaler = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler
    patches.replace(scaler, "__init__", calls.born)
    for method, name in (("scale", "scales"), ("step", "steps"), ("update", "updates")):
        patches.replace(scaler, method, functools.partial(calls.counting, name))
    state.session.at_end += [
        state.session.guarded(regions.finish),
        state.session.guarded(calls.finish),
    ]
