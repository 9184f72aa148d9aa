"""Where modules and optimizers were made, and which optimizers there are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.state import State


def install(state: State, patches: Patches) -> None:
    """Watch the constructors that every module and every optimizer calls."""
    patches.replace(torch.nn.Module, "__init__", lambda init: _watched(init, state, _module))
    patches.replace(
        torch.optim.Optimizer, "__init__", lambda init: _watched(init, state, _optimizer)
    )


def _watched(init: Any, state: State, born: Callable[[State, Any], None]) -> Any:
    born = state.session.guarded(born)

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        init(self, *args, **kwargs)
        if state.session.is_ours():
            born(state, self)

    return __init__


def _module(state: State, module: Any) -> None:
    state.sites[module] = user_site(module)


def _optimizer(state: State, optimizer: Any) -> None:
    state.sites[optimizer] = user_site(optimizer)
    state.optimizer(optimizer)
