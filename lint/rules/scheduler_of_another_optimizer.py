"""TRN507."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.gaps import has_gaps
from trainlint.lint.holding import is_private, may_be, same_object, steps_unseen
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import is_torch_optimizer, made_optimizers
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import Tick, class_name, ticks


@rule("TRN507", needs=(b"lr_scheduler",))
def scheduler_of_another_optimizer(script: Script) -> Iterator[Finding]:
    """A scheduler that is stepped sets the learning rate of an optimizer that never is.

    A scheduler holds the optimizer that it was made with. Where the script then makes another and
    steps that one, the schedule goes on for an optimizer that nobody uses, and the learning rate
    of the one that trains never changes.

    Nothing is said where code that cannot be seen may step the scheduler's optimizer.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        optimizer = torch.optim.Adam(model.parameters())
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()  # TRN507
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters())
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()

    Source: the documentation of torch.optim.lr_scheduler on the argument `optimizer`.
    """
    if not script.whole:
        return
    made = {event.result: event for event in made_optimizers(script)}
    for tick in ticks(script):
        event, other = made.get(tick.optimizer), _other_update(tick)
        if event is None or other is None or has_gaps(script):
            continue
        stepped = any(may_be(one.receiver, tick.optimizer) for one in script.events("step"))
        if stepped or steps_unseen(script, tick.optimizer):
            continue
        if is_private(script, event):
            yield _finding(tick, other)


def _other_update(tick: Tick) -> Event | None:
    """A step of another optimizer in the loop that steps the scheduler."""
    for event in tick.trace.events:
        if event.kind == "step" and tick.loop in event.loops and event.scaler is None:
            other = event.receiver
            if is_torch_optimizer(other) and not same_object(other, tick.optimizer):
                return event
    return None


def _finding(tick: Tick, other: Event) -> Finding:
    site = tick.optimizer.site
    related = [(site, "the optimizer that it was made with; nothing steps it")] if site else []
    if isinstance(other.receiver, Obj) and other.receiver.site is not None:
        related.append((other.receiver.site, "the optimizer that is stepped"))
    return found(
        tick.event.site,
        f"`{tick.name}` is a {class_name(tick.scheduler)} of an optimizer that nothing steps: the"
        f" learning rate of `{other.receiver_text}` never changes",
        related=related,
        hint="make the scheduler after the optimizer, and with it",
    )
