"""TRN512."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import is_torch_optimizer, sure_events
from trainlint.lint.rule import found, rule


@rule("TRN512", Severity.ERROR, needs=(b"LBFGS",))
def lbfgs_without_closure(script: Script) -> Iterator[Finding]:
    """An LBFGS optimizer is stepped without the closure that it needs.

    L-BFGS evaluates the loss several times in one step, so `LBFGS.step` needs a closure that
    clears the gradients, computes the loss, calls `backward()` and returns the loss. Without it the
    call raises a TypeError.

    Nothing is said where the optimizer may be of another class by the path taken.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.LBFGS(model.parameters())
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()  # TRN512
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.LBFGS(model.parameters())
        x = torch.randn(8, 4)

        def closure():
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            return loss

        for _ in range(10):
            optimizer.step(closure)

    Source: the documentation of torch.optim.LBFGS, and of torch.optim on `optimizer.step(closure)`.
    """
    closed = {e.receiver for e in script.events("step") if e.args and e.scaler is None}
    for event in sure_events(script, "step", _is_open, "method"):
        made = event.receiver
        assert isinstance(made, Obj)
        if made in closed and event.conditions:
            continue  # the branch for the optimizers that need none
        name = event.receiver_text or "optimizer"
        yield found(
            event.site,
            f"`{name}` is an LBFGS optimizer, and `step()` is called without a closure: this raises"
            " a TypeError",
            related=[(made.site, "the optimizer is made here")] if made.site else [],
            hint=f"compute the loss in a closure that returns it, and call `{name}.step(closure)`",
        )


def _is_open(event: Event) -> bool:
    return is_torch_optimizer(event.receiver, "LBFGS") and not event.args and event.scaler is None
