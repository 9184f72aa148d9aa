"""torch.compile: run eagerly while watched, since hooks would make it recompile, or see nothing."""

from __future__ import annotations

import functools
from typing import Any

import torch

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.state import State

_NOTE = "torch.compile was asked for, and the model was run eagerly instead, to be observed"


def install(state: State, patches: Patches) -> None:
    """Patch both ways to compile; nothing is imported before the script compiles something."""
    forced = False

    def force() -> None:
        nonlocal forced
        state.session.note(_NOTE)
        if forced:
            return
        forced = True
        stance = getattr(torch.compiler, "set_stance", None)
        if stance is not None:  # torch 2.6
            stance("force_eager")
            patches.callback(stance, "default")
        else:
            from torch._dynamo import config

            patches.callback(setattr, config, "disable", config.disable)
            config.disable = True

    force = state.session.guarded(force)

    def patched(original: Any) -> Any:
        @functools.wraps(original)
        def compile_(*args: Any, **kwargs: Any) -> Any:
            if state.session.here():
                force()
            return original(*args, **kwargs)

        return compile_

    patches.replace(torch, "compile", patched)
    patches.replace(torch.nn.Module, "compile", patched)
