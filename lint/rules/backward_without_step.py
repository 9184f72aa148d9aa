"""TRN106."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import escaped, is_optimizer, modules_of, reads


@rule("TRN106", needs=(b"backward(",))
def backward_without_step(script: Script) -> Iterator[Finding]:
    """Gradients are computed in a loop, an optimizer is made, and nothing ever steps it.

    The loss is computed and its gradients too, and the weights stay as they were made.

    Nothing is said where the script, or a file that it imports, speaks of a `step` anywhere, or
    where the optimizer is handed to code that cannot be seen.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()  # TRN106

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
    if reads(script, b".step", b"'step", b'"step') or not script.complete:
        return
    for trace in script.traces:
        made = [e for e in trace.events if e.kind == "make" and is_optimizer(e.result)]
        for backward in trace.events:
            if backward.kind != "backward" or not backward.loops:
                continue
            trained = {one for one in ancestors(backward.receiver) if isinstance(one, Obj)}
            of_it = [event for event in made if (modules_of(event.result) or set()) & trained]
            if of_it and not any(escaped(script, event.result) for event in of_it):
                yield found(
                    backward.site,
                    "gradients are computed in this loop, but no optimizer ever steps",
                    related=[(of_it[0].site, "the optimizer is made here")],
                    hint="call the optimizer's `step()` after `backward()`",
                )
