"""TRN210."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.passes import extra
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import same_scaler, scaled_steps


@rule("TRN210", Severity.ERROR, needs=(b"GradScaler",))
def scaler_updated_too_seldom(script: Script) -> Iterator[Finding]:
    """A GradScaler steps in each pass of a loop, and is updated only in some or after all of them.

    `scaler.update()` forgets which optimizers have been stepped. Where two steps of one optimizer
    follow each other without it, the second raises "step() has already been called since the last
    update()".

    Found are updates outside the loop that steps, and updates under a modulo test that the step
    does not stand under. Any other condition may hold whenever the step happens, and is left
    alone, as is a scaler that gets into the hands of code that cannot be seen.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for epoch in range(10):
            for x in torch.randn(20, 8, 4).cuda():
                optimizer.zero_grad()
                with torch.autocast("cuda"):
                    loss = model(x).square().mean()
                scaler.scale(loss).backward()
                scaler.step(optimizer)  # TRN210
            scaler.update()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for epoch in range(10):
            for x in torch.randn(20, 8, 4).cuda():
                optimizer.zero_grad()
                with torch.autocast("cuda"):
                    loss = model(x).square().mean()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()

    Source: the documentation of torch.amp.GradScaler, and the PyTorch notes "Automatic Mixed
    Precision examples".
    """
    if not script.complete:
        return
    for _, step, scaler in scaled_steps(script):
        updates = [one for one in script.events("update") if same_scaler(one.receiver, scaler)]
        if updates and all(_misses(one, step, scaler) for one in updates):
            yield _finding(step, updates[0])


def _misses(update: Event, step: Event, scaler: Obj) -> bool:
    """Whether an update surely leaves out some passes of the loop that steps."""
    if not isinstance(step.receiver, Obj) or step.receiver.kind != "optimizer":
        return False
    if update.receiver is not scaler:
        return False  # another method's: how often that is called is not known
    made = step.receiver.varies
    if made is None or set(made) & set(step.loops):
        return False  # another optimizer in each pass
    if len(update.loops) < len(step.loops) and _begins(update.loops, step.loops):
        return not step.loops[len(update.loops)].leaves_at_once
    if not _begins(step.loops, update.loops):
        return False
    return any(condition.periodic for condition in extra(update, step))


def _begins(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return other[: len(one)] == one


def _finding(step: Event, update: Event) -> Finding:
    name = step.receiver_text or "scaler"
    return found(
        step.site,
        f"`{name}` takes a step in each pass, but is not updated in each: the second step without"
        " an update between raises an error",
        related=[(update.site, "it is updated only here")],
        hint=f"call `{name}.update()` after the step, in the same pass and under the same tests",
    )
