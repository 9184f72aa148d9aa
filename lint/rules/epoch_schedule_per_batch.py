"""TRN503."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.lower.values import Obj, Seq, Value
from trainlint.lint.model import Loop, Script
from trainlint.lint.optimizers import given, number
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import (
    Tick,
    class_name,
    inner_conditions,
    loop_counted,
    pass_counts,
    ticks,
)

# What each scheduler counts in its own steps: position and keyword.
_LENGTHS = {
    "CosineAnnealingLR": (1, "T_max"),
    "StepLR": (1, "step_size"),
    "MultiStepLR": (1, "milestones"),
    "PolynomialLR": (1, "total_iters"),
    "LinearLR": (3, "total_iters"),
}
_FEWEST = 3  # epochs; in fewer, a schedule of batches may be as short


@rule("TRN503", needs=(b"lr_scheduler",))
def epoch_schedule_per_batch(script: Script) -> Iterator[Finding]:
    """A schedule that is measured in epochs is stepped for each batch.

    `CosineAnnealingLR(optimizer, T_max=epochs)` ends after `epochs` of its own steps. Stepped in
    the loop over batches, it has ended within the first epoch, and a cosine then rises and falls
    again and again.

    Reported where the schedule's length is computed from the very number of epochs that the loop
    around the batches runs for, and from no number of batches; a length that stands there as a
    number of its own proves nothing.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        epochs = 90
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
        for epoch in range(epochs):
            for _ in range(100):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
                scheduler.step()  # TRN503
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        epochs = 90
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
        for epoch in range(epochs):
            for _ in range(100):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
            scheduler.step()

    Source: the documentation of torch.optim.lr_scheduler.CosineAnnealingLR: `T_cur` "increases
    monotonically with each call to" `step()`.
    """
    if not script.whole:
        return
    for tick in ticks(script):
        length = _length(tick.scheduler)
        if length is None or tick.event.args or inner_conditions(tick.event, tick.loop):
            continue
        epochs = _epochs(tick, length)
        if epochs is not None:
            yield _finding(tick, epochs)


def _length(scheduler: Obj) -> Value | None:
    place = _LENGTHS.get(class_name(scheduler))
    return None if place is None else given(scheduler, *place)


def _epochs(tick: Tick, length: Value) -> Loop | None:
    """The loop over epochs from whose bound the schedule's length comes."""
    if len(tick.event.loops) < 2 or tick.loop not in tick.update_loops():
        return None
    outer = tick.event.loops[:-1]
    counts = [number(count) for loop in outer for count in pass_counts(loop)]
    if any(count is not None and count < _FEWEST for count in counts):
        return None
    return loop_counted(tick.scheduler, length, outer)


def _finding(tick: Tick, epochs: Loop) -> Finding:
    scheduler, length = tick.scheduler, _length(tick.scheduler)
    name, word = class_name(scheduler), _LENGTHS[class_name(scheduler)][1]
    place = [(scheduler.site, "the schedule is made here")] if scheduler.site else []
    many = "they are reached" if isinstance(length, Seq) else "it is over"
    return found(
        tick.event.site,
        f"`{tick.name}` is stepped for each batch, but `{word}` of this {name} comes from the"
        f" number of epochs: {many} within the first epochs",
        related=[*place, (epochs.heading, "the loop over epochs")],
        hint=f"step it once an epoch, or multiply `{word}` by the number of batches",
    )
