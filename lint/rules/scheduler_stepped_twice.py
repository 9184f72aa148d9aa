"""TRN505."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import Tick, inner_conditions, ticks


@rule("TRN505", needs=(b"lr_scheduler",))
def scheduler_stepped_twice(script: Script) -> Iterator[Finding]:
    """A scheduler is stepped twice in one pass, with no optimizer step in between.

    Each call moves the schedule on. Two in a row, often one in a helper and one in the loop that
    calls it, run through the schedule at twice the speed and skip every second value.

    Both must happen in every pass of one loop. Where the optimizer may be stepped in between, by
    code that cannot be seen too, the two may be meant.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()
            print(epoch, scheduler.get_last_lr())
            scheduler.step()  # TRN505
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()
            print(epoch, scheduler.get_last_lr())

    Source: the documentation of torch.optim, "How to adjust learning rate".
    """
    if not script.whole:
        return
    last: dict[object, Tick] = {}
    for tick in ticks(script):
        if inner_conditions(tick.event, tick.loop) or tick.event.args:
            continue
        before = last.get((tick.trace.root, tick.scheduler))
        if before is not None and _in_a_row(before, tick):
            yield _finding(before, tick)
        last[tick.trace.root, tick.scheduler] = tick


def _in_a_row(before: Tick, tick: Tick) -> bool:
    if before.loop is not tick.loop or before.event.site.node is tick.event.site.node:
        return False
    events = tick.trace.events[before.index + 1 : tick.index]
    return not any(event.kind in ("step", "backward", "opaque") for event in events)


def _finding(before: Tick, tick: Tick) -> Finding:
    return found(
        tick.event.site,
        f"`{tick.name}` is stepped a second time in the same pass: the schedule runs twice as fast",
        related=[
            (before.event.site, "it is stepped here already"),
            (tick.loop.heading, "the loop"),
        ],
        hint="step it once for each pass",
    )
