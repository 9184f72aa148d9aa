"""TRN102."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.clearing import Clearing
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, together, updates


@rule("TRN102", needs=(b"zero_grad",))
def zero_grad_before_step(script: Script) -> Iterator[Finding]:
    """The gradients are cleared between `backward()` and `step()`.

    The step then finds nothing to go along: the model never moves, but for weight decay and
    momentum where `set_to_none=False` leaves zeros. The loss stays where it began.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.zero_grad()  # TRN102
            optimizer.step()

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.optim ("Taking an optimization step").
    """
    for update in updates(script):
        clears = Clearing(script, update).surely_clears
        last = next((event for event in reversed(update.between) if clears(event)), None)
        if last is None or not together(last, update.step):
            continue
        if together(update.backward, update.step) and not _reads_gradients(update):
            name = update.step.receiver_text or "optimizer"
            yield found(
                last.site,
                f"the gradients are cleared between `backward()` and `{name}.step()`: the step has"
                " none to go along",
                related=[
                    (update.backward.site, "the gradients are made here"),
                    (update.step.site, "and would be used here"),
                ],
                hint="clear them before `backward()`, or after the step",
            )


def _reads_gradients(update: Update) -> bool:
    """Whether something in between keeps, or sets, the gradients itself."""
    return any(
        event.kind in ("set_grad", "opaque", "hook", "step")
        or (event.kind == "set_attribute" and event.callee == "_grad")
        or ".grad" in event.receiver_text
        for event in update.between
    )
