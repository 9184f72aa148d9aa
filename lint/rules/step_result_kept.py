"""TRN520."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.mentions import every
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import sure_events
from trainlint.lint.rule import found, rule

_KINDS = ("optimizer", "scheduler", "scaler")


@rule("TRN520", Severity.ERROR, needs=(b".step(", b".zero_grad("))
def step_result_kept(script: Script) -> Iterator[Finding]:
    """The name of an optimizer or scheduler is bound to what its own `step()` returns.

    `optimizer.step()` changes the parameters in place and returns None (or the closure's loss):
    after `optimizer = optimizer.step()` the optimizer is gone, and the next call fails.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer = optimizer.step()  # TRN520
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()

    Fix safety: the fix leaves the call and drops the assignment; what was assigned is of no use
    under that name.
    Source: the documentation of torch.optim.Optimizer.step.
    """
    kept = {node.value: node for node in every(script.module, cst.Assign)}
    for kind in ("step", "schedule", "zero_grad"):
        for event in sure_events(script, kind, _is_torch, "method"):
            assigned = kept.get(event.site.node)  # type: ignore[call-overload]
            if assigned is not None and _names_itself(assigned, event):
                yield _finding(script, event, assigned)


def _is_torch(event: Event) -> bool:
    made = event.receiver
    return isinstance(made, Obj) and made.kind in _KINDS and made.cls is None


def _names_itself(node: cst.Assign, event: Event) -> bool:
    targets = [target.target for target in node.targets]
    text = event.site.script.module.code_for_node
    return len(targets) == 1 and text(targets[0]) == event.receiver_text


def _finding(script: Script, event: Event, node: cst.Assign) -> Finding:
    call, name = event.site.text, event.receiver_text
    edit = script.edit(node, call)
    return found(
        event.site,
        f"`{name}` is replaced by what `{call}` returns, which is no optimizer or scheduler: its"
        " next use fails",
        hint=f"call `{call}` without assigning its result",
        fix=None if edit is None else Fix("Drop the assignment", (edit,), safe=True),
    )
