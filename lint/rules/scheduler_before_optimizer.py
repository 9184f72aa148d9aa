"""TRN502."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.holding import holds
from trainlint.lint.lower.values import Func, Obj, options_of
from trainlint.lint.model import Event, Script
from trainlint.lint.neighbours import asks_for_old_torch
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import Tick, class_name, inner_conditions, ticks

# Their first value is often one to be skipped, and is then skipped on purpose.
_CUSTOM = ("LambdaLR", "MultiplicativeLR", "ReduceLROnPlateau")


@rule("TRN502", needs=(b"lr_scheduler",))
def scheduler_before_optimizer(script: Script) -> Iterator[Finding]:
    """The scheduler is stepped before the optimizer in each pass of the loop.

    Since PyTorch 1.1 the scheduler must follow the optimizer: a scheduler already sets the first
    learning rate when it is made, so that a step before the optimizer's first skips that value, and
    the whole schedule runs one step early. PyTorch warns of it when the script runs.

    Nothing is said where the step is told its epoch (`step(epoch)`), under a condition, of a
    LambdaLR (whose first value may be one to skip), where the optimizer may have been stepped
    before the loop, or where the project asks for a PyTorch before 1.1.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        for epoch in range(90):
            scheduler.step()  # TRN502
            for _ in range(10):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        for epoch in range(90):
            for _ in range(10):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
            scheduler.step()

    Source: the documentation of torch.optim, "How to adjust learning rate", on the order before
    PyTorch 1.1.0.
    """
    if not script.whole:
        return
    for tick in ticks(script):
        if tick.event.args or tick.scheduler.qualname.endswith(_CUSTOM):
            continue
        later = _update_after(tick)
        if later is not None and not asks_for_old_torch(script):
            yield _finding(tick, later)


def _update_after(tick: Tick) -> Event | None:
    """The optimizer's step that follows in the same pass, where none can have come before."""
    loop = tick.loop
    if inner_conditions(tick.event, loop) or loop.leaves_at_once:
        return None
    updates = list(tick.updates())
    before = tick.trace.events[: tick.index]
    if any(index < tick.index for index, _ in updates) or any(_may_step(e, tick) for e in before):
        return None
    after = [event for _, event in updates if loop in event.loops]
    return after[0] if after else None


def _may_step(event: Event, tick: Tick) -> bool:
    if event.kind == "schedule" and event.receiver is not tick.scheduler:
        return holds(event.receiver, tick.optimizer)
    if event.kind != "opaque":
        return False
    return any(_reaches(option, tick) for arg in event.args for option in options_of(arg.value))


def _reaches(value: object, tick: Tick) -> bool:
    if isinstance(value, Func) or (isinstance(value, Obj) and value.cls and value.kind == "object"):
        return True
    return isinstance(value, Obj) and holds(value, tick.optimizer)


def _finding(tick: Tick, update: Event) -> Finding:
    name, optimizer = tick.name, update.receiver_text or "the optimizer"
    return found(
        tick.event.site,
        f"`{name}` is stepped before `{optimizer}` in each pass: the first learning rate of this"
        f" {class_name(tick.scheduler)} is skipped",
        related=[
            (update.site, "the optimizer is stepped only here"),
            (tick.loop.heading, "the loop"),
        ],
        hint=f"move `{tick.event.site.text}` to the end of the pass",
    )
