"""TRN105."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import all_words
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import escaped, is_optimizer

_GRADIENTS = re.compile(r"backward|autograd|\bgrad\b")


@rule("TRN105", needs=(b".step(",))
def step_without_backward(script: Script) -> Iterator[Finding]:
    """An optimizer steps in a loop, and nothing in the script ever computes a gradient.

    Without `backward()` every `.grad` is None, and the step passes all parameters over without a
    word.

    Nothing is said where the code, or a file of the project that it imports, names `backward`,
    `autograd` or `grad` anywhere; comments do not count.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            optimizer.step()  # TRN105

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
    steps = list(_steps(script)) if script.complete else []
    if not steps or any(text is None or _GRADIENTS.search(text) for text in all_words(script)):
        return
    for event in steps:
        name = event.receiver_text or "optimizer"
        yield found(
            event.site,
            f"`{name}` steps, but nothing in this script ever calls `backward()`: there is no"
            " gradient",
            related=[(event.loops[-1].heading, "the loop")],
            hint="call `loss.backward()` before the step",
        )


def _steps(script: Script) -> Iterator[Event]:
    """The steps in loops that compute something, and let nothing unseen do the rest."""
    for trace in script.traces:
        for event in trace.events:
            made = event.receiver
            if event.kind != "step" or not event.loops or not is_optimizer(made):
                continue
            inside = [e for e in trace.events if event.loops[-1] in e.loops]
            if any(e.kind == "backward" for e in inside):
                continue
            trains = any(e.kind in ("forward", "loss") for e in inside)
            if trains and not event.args and not escaped(script, made) and not _unseen(inside):
                yield event


def _unseen(events: list[Event]) -> bool:
    """Whether code that cannot be seen is handed a tensor or a module in the loop."""
    handed = [arg.value for e in events if e.kind == "opaque" for arg in e.args]
    return any(isinstance(value, Obj) and value.kind in ("output", "module") for value in handed)
