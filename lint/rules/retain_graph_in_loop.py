"""TRN110."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import reads


@rule("TRN110", Severity.INFO, needs=(b"backward(",))
def retain_graph_in_loop(script: Script) -> Iterator[Finding]:
    """`retain_graph=True` in a loop that runs one `backward()` per pass.

    The graph is kept for a second backward that never comes. It costs memory until the loss is
    overwritten; and often it was put there to silence an error that says that the graph goes back
    into the pass before.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward(retain_graph=True)  # TRN110
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

    Source: the documentation of torch.Tensor.backward ("in nearly all cases setting this option to
    True is not needed").
    """
    for trace in script.traces:
        backwards = [event for event in trace.events if event.kind == "backward"]
        for event in backwards:
            given = event.argument(1, "retain_graph")
            if given is None or not event.loops or not isinstance(given.value, Const):
                continue
            inside = [e for e in backwards if event.loops[-1] in e.loops]
            if (
                given.value.value is True
                and len(inside) == 1
                and not reads(script, b"autograd.grad")
            ):
                yield found(
                    event.site,
                    "the graph is retained, but nothing in this loop goes through it again",
                    related=[(event.loops[-1].heading, "the loop")],
                    hint="take `retain_graph=True` out; detach what is carried from pass to pass",
                )
