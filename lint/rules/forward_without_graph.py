"""TRN109."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Bound, Choice, Obj, Value
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN109", Severity.ERROR, needs=(b"no_grad", b"inference_mode"))
def forward_without_graph(script: Script) -> Iterator[Finding]:
    """The forward pass runs under `no_grad`, and `backward()` is called on its result.

    Under `no_grad` no graph is built: `backward()` fails with "element 0 of tensors does not
    require grad".

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            with torch.no_grad():
                output = model(torch.randn(8, 4))
            loss = output.square().mean()
            loss.backward()  # TRN109
            optimizer.step()

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            output = model(torch.randn(8, 4))
            loss = output.square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.no_grad.
    """
    made = {event.result: event for event in script.events("forward")}
    for event in script.events("backward"):
        behind = list(ancestors(event.receiver))
        forwards = [made[one] for one in behind if one in made]
        if not forwards or any(type(one) in (Value, Bound, Choice) for one in behind):
            continue
        if any(isinstance(one, Obj) and _may_require_grad(one) for one in behind):
            continue
        if all(one.within("torch.no_grad", "torch.inference_mode") for one in forwards):
            yield found(
                event.site,
                "`backward()` is called on what was computed under `no_grad`: there is no graph",
                related=[(forwards[0].site, "the forward pass, under no_grad")],
                hint="take the forward pass out of the `no_grad` block",
            )


def _may_require_grad(value: Obj) -> bool:
    if value.kind == "parameters" or "requires_grad" in value.kwargs:
        return True
    return value.qualname.endswith((".Parameter", ".requires_grad_", ".Variable"))
