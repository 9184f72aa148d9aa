"""TRN209."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import same_scaler, scaled_steps


@rule("TRN209", Severity.ERROR, needs=(b"GradScaler",))
def scaler_step_without_update(script: Script) -> Iterator[Finding]:
    """A GradScaler takes a step in each pass of a loop, and nothing ever updates it.

    `scaler.update()` ends a pass: it adapts the factor, and forgets which optimizers have been
    unscaled and stepped. Without it the second `scaler.step(optimizer)` raises "step() has already
    been called since the last update()".

    Nothing is said where the scaler gets into the hands of code that cannot be seen, or was made
    with `enabled=False`.

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
            scaler.step(optimizer)  # TRN209
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
            scaler.step(optimizer)
            scaler.update()

    Fix safety: the fix calls `update()` on the line after the step. Where several optimizers step
    with one scaler, it belongs after the last of them: it is unsafe.
    Source: the documentation of torch.amp.GradScaler, and the PyTorch notes "Automatic Mixed
    Precision examples".
    """
    if not script.complete:
        return
    for _, step, scaler in scaled_steps(script):
        if not _is_updated(script, scaler):
            yield _finding(script, step)


def _is_updated(script: Script, scaler: Obj) -> bool:
    """Whether anything updates a scaler, or could."""
    for event in script.events("update", "opaque", "method"):
        if event.kind == "update" and same_scaler(event.receiver, scaler):
            return True
        if event.callee in ("update", "load_state_dict") and event.receiver is scaler:
            return True
    return False


def _finding(script: Script, step: Event) -> Finding:
    name = step.receiver_text or "scaler"
    return found(
        step.site,
        f"`{name}` takes a step in each pass, but nothing calls `{name}.update()`: the second"
        " step raises an error",
        related=[(step.loops[-1].heading, "the loop")],
        hint=f"call `{name}.update()` at the end of each pass",
        fix=_fix(script, step, f"{name}.update()"),
    )


def _fix(script: Script, step: Event, call: str) -> Fix | None:
    if step.site.script is not script:
        return None
    line, column, last, end = script.range(step.site.node)
    lines = script.source.code_lines
    alone = not lines[line - 1][:column].strip() and not lines[last - 1][end:].strip()
    if not alone or not step.receiver_name:
        return None
    edit = script.append_line(last, call, lines[line - 1][:column])
    if edit is None:
        return None
    return Fix(f"Call `{call}` after the step", (edit,), safe=False)
