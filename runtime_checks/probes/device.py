"""The device on which the script trains: that of the first parameter that is stepped."""

from __future__ import annotations

import torch

from trainlint.runtime_checks.state import State


def install(state: State) -> None:
    """Tell it after the first step."""

    def look() -> None:
        for optimizer, known in state.optimizers.items():
            if known.own:
                state.session.on_device(_name(optimizer.param_groups[0]["params"][0].device))
                break
        state.session.after_step.remove(look)

    state.session.after_step.append(look)


def _name(device: torch.device) -> str:
    if device.type != "cuda":
        return str(device.type)
    return f"{device} ({torch.cuda.get_device_name(device)!s})"
