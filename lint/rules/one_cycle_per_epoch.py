"""TRN504."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Loop, Script
from trainlint.lint.optimizers import given
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import (
    Tick,
    counts_batches,
    inner_conditions,
    is_torch_scheduler,
    loop_counted,
    ticks,
)


@rule("TRN504", needs=(b"OneCycleLR",))
def one_cycle_per_epoch(script: Script) -> Iterator[Finding]:
    """A OneCycleLR is stepped per epoch where its length counts batches, or the other way round.

    The cycle takes `total_steps`, or `epochs * steps_per_epoch`, calls of `step()`. Stepped once an
    epoch where it counts batches, it never leaves its warm-up; stepped for each batch where it
    counts epochs, it raises a ValueError when the cycle is over.

    Reported where the length is computed from `len(loader)`, or from the very number of epochs that
    the loop runs for.

    Bad:
        import torch
        from torch import nn

        loader = [torch.randn(8, 4) for _ in range(100)]
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, epochs=10, steps_per_epoch=len(loader)
        )
        for epoch in range(10):
            for x in loader:
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
            scheduler.step()  # TRN504
    Good:
        import torch
        from torch import nn

        loader = [torch.randn(8, 4) for _ in range(100)]
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, epochs=10, steps_per_epoch=len(loader)
        )
        for epoch in range(10):
            for x in loader:
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
                scheduler.step()

    Source: the documentation of torch.optim.lr_scheduler.OneCycleLR: "step should be called after a
    batch has been used for training".
    """
    if not script.whole:
        return
    for tick in ticks(script):
        if not is_torch_scheduler(tick.scheduler, "OneCycleLR") or tick.event.args:
            continue
        if inner_conditions(tick.event, tick.loop):
            continue
        if _counts_batches(tick.scheduler) and _is_per_epoch(script, tick):
            yield _too_slow(tick)
        elif (epochs := _epochs_counted(tick)) is not None:
            yield _too_fast(tick, epochs)


def _total(scheduler: Obj) -> Value | None:
    value = given(scheduler, 2, "total_steps")
    return None if isinstance(value, Const) and value.value is None else value


def _counts_batches(scheduler: Obj) -> bool:
    value = _total(scheduler) or given(scheduler, 4, "steps_per_epoch")
    return value is not None and counts_batches(value)


def _is_per_epoch(script: Script, tick: Tick) -> bool:
    """Whether the optimizer is only stepped in loops within the one that steps the scheduler."""
    updates = [event for _, event in tick.updates()]
    inside = all(tick.loop in event.loops and event.loops[-1] is not tick.loop for event in updates)
    places = {
        event.site.node for event in script.events("schedule") if event.receiver is tick.scheduler
    }
    return bool(updates) and inside and len(places) == 1 and _all_over_data(tick)


def _all_over_data(tick: Tick) -> bool:
    """Whether the loops that step the optimizer are `for` loops: over batches, not over tries."""
    return all(loop.kind == "for" for loop in tick.update_loops())


def _epochs_counted(tick: Tick) -> Loop | None:
    total = _total(tick.scheduler)
    if total is None or len(tick.event.loops) < 2 or tick.loop not in tick.update_loops():
        return None
    return loop_counted(tick.scheduler, total, tick.event.loops[:-1])


def _too_slow(tick: Tick) -> Finding:
    site = tick.scheduler.site
    return found(
        tick.event.site,
        f"`{tick.name}` is a OneCycleLR whose length counts batches, but it is stepped once an"
        " epoch: training ends in its warm-up",
        related=[(site, "the schedule is made here")] if site else [],
        hint="step it in the loop over batches, after the optimizer",
    )


def _too_fast(tick: Tick, epochs: Loop) -> Finding:
    site = tick.scheduler.site
    place = [(site, "the schedule is made here")] if site else []
    return found(
        tick.event.site,
        f"`{tick.name}` is a OneCycleLR of as many steps as there are epochs, but it is stepped for"
        " each batch: it raises a ValueError when the cycle is over",
        related=[*place, (epochs.heading, "the loop over epochs")],
        hint="multiply `total_steps` by the number of batches, or step it once an epoch",
    )
