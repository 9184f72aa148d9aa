"""TRN204."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.clipping import clips, is_clip, only_measures, owners, trained_by
from trainlint.lint.lower.syntax import is_same_again
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import exclusive, implied, may_train, outcomes
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import (
    is_twin,
    live_scaler,
    of_nothing,
    scaler_of_backward,
    unscaled_by_hand,
)


@dataclass(frozen=True, eq=False)
class _Chain:
    """A scaled backward, the clipping of its gradients, and the step that unscales them."""

    backward: Event
    clip: Event
    step: Event


@rule("TRN204", Severity.ERROR, needs=(b"clip_grad",))
def clip_scaled_gradients(script: Script) -> Iterator[Finding]:
    """Gradients are clipped while they still carry the GradScaler's factor.

    `scaler.scale(loss).backward()` makes gradients that are larger by the scaler's factor (65536
    at first), and `scaler.step(optimizer)` divides them by it. A limit of 1.0 that is applied in
    between is a limit of 1/65536 for the real gradients, and another one whenever the factor
    changes: each step has next to no length.

    Nothing is said where anything may have unscaled the gradients: `unscale_` under a condition
    that can hold, code that works on `.grad` or reads the scaler's factor, code that cannot be
    seen and gets the scaler or the optimizer. Nor for a scaler made with `enabled=False`.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN204
            scaler.step(optimizer)
            scaler.update()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()

    Fix safety: the fix calls `unscale_` on a line before, where the clipping and the scaler's step
    stand in one block. It is what torch's documentation asks for, and changes nothing else.
    Source: the PyTorch notes "Automatic Mixed Precision examples", section "Working with Unscaled
    Gradients".
    """
    for trace, clip in clips(script):
        chain = None if only_measures(clip) else _chain(trace, clip)
        if chain is not None and not unscaled_by_hand(trace):
            yield _finding(script, chain)


def _chain(trace: Trace, clip: Event) -> _Chain | None:
    at = trace.events.index(clip)
    step = _step_after(trace.events[at + 1 :], clip)
    if step is None or _clips_another(clip, step.receiver):
        return None
    backward = _backward_before(reversed(trace.events[:at]), clip, step)
    if backward is None or not implied(backward, clip, step):
        return None
    return _Chain(backward, clip, step)


def _step_after(events: list[Event], clip: Event) -> Event | None:
    for event in events:
        if exclusive(event, clip) or of_nothing(event):
            continue
        if event.kind == "step" and live_scaler(event.scaler) is not None:
            return event
        if event.kind in ("step", "zero_grad", "backward", "unscale") or may_train(event):
            return None
    return None


def _backward_before(events: Iterator[Event], clip: Event, step: Event) -> Event | None:
    """The scaled backward whose gradients a call meets; None where they may be unscaled."""
    for event in events:
        if exclusive(event, clip) or exclusive(event, step) or of_nothing(event):
            continue
        if event.kind == "backward":
            if scaler_of_backward(event) is step.scaler:
                return event
            if not is_twin(event, step.scaler):
                return None
        if event.kind == "unscale" and not _of_another(event, step.receiver):
            return None
        if event.kind in ("step", "zero_grad") or may_train(event):
            return None
        if is_clip(event):
            return None  # told at the first one
    return None


def _of_another(unscale: Event, optimizer: Value) -> bool:
    given = unscale.argument(0, "optimizer")
    other = given.value if given is not None else None
    return isinstance(other, Obj) and isinstance(optimizer, Obj) and other is not optimizer


def _clips_another(clip: Event, optimizer: Value) -> bool:
    """Whether what is clipped may not be what the optimizer steps."""
    given = clip.argument(0, "parameters")
    clipped = owners(given.value) if given is not None else None
    trained = trained_by(optimizer)
    return clipped is not None and trained is not None and not clipped & trained


def _finding(script: Script, chain: _Chain) -> Finding:
    scaler = chain.step.receiver_text or "scaler"
    optimizer = chain.step.args[0].text if chain.step.args else "optimizer"
    return found(
        chain.clip.site,
        f"gradients are clipped while they still carry `{scaler}`'s factor: the limit is far too"
        " small for them",
        related=[
            (chain.backward.site, "here the loss, and so each gradient, is scaled"),
            (chain.step.site, "here they are divided by the factor, after the clipping"),
        ],
        hint=f"call `{scaler}.unscale_({optimizer})` before clipping",
        fix=_fix(script, chain, f"{scaler}.unscale_({optimizer})"),
    )


def _fix(script: Script, chain: _Chain, call: str) -> Fix | None:
    clip, step = chain.clip, chain.step
    if clip.site.script is not script or clip.functions != step.functions:
        return None
    if clip.loops != step.loops or outcomes(clip) != outcomes(step) or not step.args:
        return None
    if not step.receiver_name or not is_same_again(step.args[0].text):
        return None
    line, column, _, _ = script.range(clip.site.node)
    if not re.fullmatch(r"\s*(\w+ *= *)?", script.source.code_lines[line - 1][:column]):
        return None
    edit = script.insert_line(line, call)
    return None if edit is None else Fix(f"Call `{call}` before clipping", (edit,), safe=True)
