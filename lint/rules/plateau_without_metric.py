"""TRN506."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import sure_events
from trainlint.lint.rule import found, rule

_PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"


@rule("TRN506", Severity.ERROR, needs=(b"ReduceLROnPlateau",))
def plateau_without_metric(script: Script) -> Iterator[Finding]:
    """A ReduceLROnPlateau is stepped without the metric that it watches.

    `ReduceLROnPlateau.step` takes the value whose plateau lowers the learning rate; without it the
    call raises a TypeError at the end of the first epoch.

    Nothing is said where the scheduler may be of another class by the path taken.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
        for epoch in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()  # TRN506
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3)
        for epoch in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step(loss.item())

    Source: the documentation of torch.optim.lr_scheduler.ReduceLROnPlateau.
    """
    fed = {e.receiver for e in script.events("schedule") if e.args}
    for event in sure_events(script, "schedule", _is_unfed, "step", "method"):
        made = event.receiver
        assert isinstance(made, Obj)
        if made in fed and event.conditions:
            continue  # the branch for the scheduler that needs none
        name = event.receiver_text or "scheduler"
        yield found(
            event.site,
            f"`{name}` is a ReduceLROnPlateau, and is stepped without the metric that it watches:"
            " this raises a TypeError",
            related=[(made.site, "the scheduler is made here")] if made.site else [],
            hint=f"hand it the validation loss: `{name}.step(val_loss)`",
        )


def _is_unfed(event: Event) -> bool:
    made = event.receiver
    plateau = isinstance(made, Obj) and made.qualname == _PLATEAU and made.cls is None
    return plateau and not event.args
