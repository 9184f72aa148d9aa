"""TRN522."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import sure_events
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import class_name, is_torch_scheduler

_TAKE_ONE = ("ReduceLROnPlateau", "CosineAnnealingWarmRestarts")


@rule("TRN522", Severity.INFO, needs=(b"lr_scheduler",))
def epoch_handed_to_scheduler(script: Script) -> Iterator[Finding]:
    """A scheduler is told its epoch, by an argument that is deprecated.

    `scheduler.step(epoch)` sets the schedule by its closed form, where it has one; the argument is
    deprecated, and SequentialLR and others do not take it. A scheduler counts its own steps.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step(epoch)  # TRN522
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()

    Source: torch.optim.lr_scheduler.LRScheduler.step, which warns that the epoch parameter is
    deprecated.
    """
    for event in sure_events(script, "schedule", _is_told, "step"):
        yield found(
            event.site,
            f"`{event.receiver_text}.step()` is told the epoch: the argument is deprecated",
            hint=f"a {class_name(event.receiver)} counts its own steps: leave the argument out",
        )


def _is_told(event: Event) -> bool:
    if not is_torch_scheduler(event.receiver) or len(event.args) != 1 or event.starred:
        return False
    value = event.args[0].value
    none = isinstance(value, Const) and value.value is None
    return class_name(event.receiver) not in _TAKE_ONE and not none
