"""TRN109."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autograd import Autograd, alternatives
from trainlint.lint.leaving import caught
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
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
    cut = {event.result: event for event in script.events("forward") if _without_graph(event)}
    autograd = Autograd(script)
    for trace in script.traces:
        for event in trace.events:
            if event.kind != "backward" or not cut:
                continue
            found_cuts = [autograd.cuts(one, cut) for one in alternatives(trace, event)]
            forwards = [cut[one] for one in found_cuts[0] if one in cut]
            if all(found_cuts) and forwards and not caught(event):
                yield found(
                    event.site,
                    "`backward()` is called on what was computed under `no_grad`: there is no"
                    " graph",
                    related=[(forwards[0].site, "the forward pass, under no_grad")],
                    hint="take the forward pass out of the `no_grad` block",
                )


def _without_graph(event: Event) -> bool:
    """Whether no graph is built, whatever path was taken and whatever else is around."""
    if event.within("torch.enable_grad", "torch.set_grad_enabled"):
        return False
    for context in event.contexts:
        value = context.value
        if context.name not in ("torch.no_grad", "torch.inference_mode"):
            continue
        # A decorator's has no value; `inference_mode(False)` and a choice of contexts may not hold.
        if type(value) is Value or (isinstance(value, Obj) and not (value.args or value.kwargs)):
            return True
    return False
