"""Whether a module's weights are those that its constructor gave it."""

from __future__ import annotations

import functools
from typing import Any

import torch

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.state import State


def is_fresh(state: State, module: Any) -> bool:
    """Whether the script made it, and neither copied it nor loaded weights into any part of it."""
    return all(
        part in state.sites and part not in state.loaded and not hasattr(part, "from_pretrained")
        for part in module.modules()
    )


def install(state: State, patches: Patches) -> None:
    """Note the modules that are loaded; a copied or unpickled one is never constructed."""
    patches.replace(torch.nn.Module, "load_state_dict", lambda load: _noted(load, state))


def _noted(load: Any, state: State) -> Any:
    @functools.wraps(load)
    def load_state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
        if state.session.here():
            for part in self.modules():
                state.loaded[part] = True
        return load(self, *args, **kwargs)

    return load_state_dict
