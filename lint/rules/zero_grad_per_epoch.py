"""TRN103."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.clearing import Clearing
from trainlint.lint.leaving import leaves_after
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, together, updates


@rule("TRN103", needs=(b"zero_grad",))
def zero_grad_per_epoch(script: Script) -> Iterator[Finding]:
    """The gradients are cleared once per epoch, while the optimizer steps after each batch.

    Within an epoch each step goes along the sum of all gradients since the epoch began: the last
    batches move the weights by the gradients of all.

    Accumulation, where the step is under a test, is left alone, and so is a loop that something
    unseen may clear.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            optimizer.zero_grad()
            for batch in torch.randn(5, 8, 4):
                loss = model(batch).square().mean()
                loss.backward()
                optimizer.step()  # TRN103

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for batch in torch.randn(5, 8, 4):
                optimizer.zero_grad()
                loss = model(batch).square().mean()
                loss.backward()
                optimizer.step()

    Source: the documentation of torch.optim.Optimizer.zero_grad.
    """
    for update in updates(script):
        cleared = _cleared_outside(script, update)
        if cleared is not None and update.cycle is not None:
            name = update.step.receiver_text or "optimizer"
            yield found(
                update.step.site,
                f"`{name}` steps after each batch, but the gradients are cleared only outside this"
                " loop: within it they add up",
                related=[
                    (cleared.site, "they are cleared here"),
                    (update.cycle.heading, "the loop in which they add up"),
                ],
                hint=f"call `{name}.zero_grad()` in each pass of the inner loop",
            )


def _cleared_outside(script: Script, update: Update) -> Event | None:
    """The clearing in an outer loop, where there is none in the one that runs the step."""
    optimizer, cycle = update.optimizer, update.cycle
    if cycle is None or len(update.step.loops) < 2 or update.step.loops[-1] is not cycle:
        return None
    if not isinstance(optimizer, Obj) or not together(update.backward, update.step):
        return None
    if any(condition.depth >= len(update.step.loops) for condition in update.step.conditions):
        return None
    if cycle.leaves_at_once or leaves_after(cycle, update.step):
        return None
    outer = update.step.loops[0]
    clearing = Clearing(script, update)
    clears = [e for e in update.trace.events if outer in e.loops and clearing.may_clear(e)]
    if any(cycle in e.loops or not clearing.surely_clears(e) for e in clears):
        return None
    return clears[0] if clears and not clearing.unseen else None
