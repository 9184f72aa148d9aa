"""TRN514."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.holding import same_object
from trainlint.lint.lower.syntax import string_of
from trainlint.lint.lower.values import Bound, Expr, Obj, Value
from trainlint.lint.mentions import walk
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.optimizers import is_torch_optimizer, number
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import inner_conditions

_SLOWEST = 0.995  # a factor that is meant for batches lies above


@rule("TRN514", Severity.INFO, needs=(b"param_groups",))
def rate_decayed_per_batch(script: Script) -> Iterator[Finding]:
    """The learning rate is multiplied by a small factor for each batch.

    `group["lr"] *= 0.9` in the loop over batches leaves a ten thousandth of the rate after ninety
    batches. The factor is one for epochs, mostly, and stands one level too deep.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(10):
            for _ in range(100):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
                for group in optimizer.param_groups:
                    group["lr"] *= 0.9  # TRN514
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(10):
            for _ in range(100):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] *= 0.9

    Source: the documentation of torch.optim, "How to adjust learning rate", whose examples change
    it once an epoch.
    """
    for trace in script.traces:
        for event in trace.events:
            if event.kind == "set_item" and len(event.loops) >= 3 and _decays(event):
                step = _step_beside(trace, event)
                if step is not None:
                    yield found(
                        event.site,
                        "the learning rate is decayed for each batch: after a hundred of them"
                        " little is left",
                        related=[(step.site, "the optimizer is stepped in the same loop")],
                        hint="decay it once an epoch",
                    )


def _decays(event: Event) -> bool:
    """`group["lr"] *= 0.9`."""
    keys = [string_of(node) for node in walk(event.site.node)]
    value = event.result
    if "lr" not in keys or not isinstance(value, Expr) or value.op != "*":
        return False
    if not any(isinstance(part, Expr) and part.op == "[]" for part in value.parts):
        return False
    return any(0 < (number(part) or 1) < _SLOWEST for part in value.parts)


def _step_beside(trace: Trace, event: Event) -> Event | None:
    """The step of the optimizer whose groups these are, in the loop around."""
    groups, batches = event.loops[-1], event.loops[-2]
    optimizer = _owner(groups.over)
    if optimizer is None or inner_conditions(event, batches):
        return None
    steps = (one for one in trace.events if one.kind == "step" and one.loops)
    return next(
        (e for e in steps if e.loops[-1] is batches and same_object(e.receiver, optimizer)), None
    )


def _owner(over: Value) -> Obj | None:
    if isinstance(over, Bound) and over.name == "param_groups":
        owner = over.receiver
        return owner if isinstance(owner, Obj) and is_torch_optimizer(owner) else None
    return None
