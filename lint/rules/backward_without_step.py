"""TRN106."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Script, Trace
from trainlint.lint.rule import found, rule
from trainlint.lint.training import (
    escaped,
    held_by,
    is_optimizer,
    modules_of,
    reads,
    texts_of,
)


@rule("TRN106", needs=(b"backward(",))
def backward_without_step(script: Script) -> Iterator[Finding]:
    """Gradients are computed in a loop, an optimizer is made, and nothing ever steps it.

    The loss is computed and its gradients too, and the weights stay as they were made.

    Nothing is said where the script, or a file that it imports, speaks of a `step` other than a
    scheduler's, or where the optimizer is handed to code that cannot be seen, returned or kept.

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
    if not script.complete or _speaks_of_steps(script):
        return
    for trace in script.traces:
        made = [e for e in trace.events if e.kind == "make" and is_optimizer(e.result)]
        for backward in trace.events:
            if backward.kind != "backward" or not backward.loops:
                continue
            trained = {one for one in ancestors(backward.receiver) if isinstance(one, Obj)}
            of_it = [event for event in made if (modules_of(event.result) or set()) & trained]
            if of_it and not any(_stepped_elsewhere(script, trace, e.result) for e in of_it):
                yield found(
                    backward.site,
                    "gradients are computed in this loop, but no optimizer ever steps",
                    related=[(of_it[0].site, "the optimizer is made here")],
                    hint="call the optimizer's `step()` after `backward()`",
                )


def _speaks_of_steps(script: Script) -> bool:
    """Whether the script, or a file of the project that it imports, steps but schedulers."""
    texts = texts_of(script)
    if any(quoted in text for text in texts for quoted in (b"'step", b'"step')):
        return True
    schedules = {event.site.node for event in script.events("schedule")}
    return sum(len(_STEP.findall(text)) for text in texts) > len(schedules)


def _stepped_elsewhere(script: Script, trace: Trace, optimizer: Value) -> bool:
    """Whether code of others, or a caller that is not seen, may step the optimizer."""
    if escaped(script, optimizer):
        return True
    if trace.root is script.module:
        return False  # the script itself runs the loop: what follows it is seen
    kept = [e.result for e in trace.events if e.kind in ("return", "set_attribute", "set_item")]
    return reads(script, b"global ") or any(held_by(value, optimizer) for value in kept)


_STEP = re.compile(rb"\.step\w*")
