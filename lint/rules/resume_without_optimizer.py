"""TRN713."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.checkpoints import handed_over, saved_path
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.modes import training_of
from trainlint.lint.rule import found, rule
from trainlint.lint.training import escaped

# Optimizers that keep nothing but the step.
_PLAIN = ("torch.optim.SGD",)


@rule("TRN713", Severity.INFO, needs=(b"load_state_dict",))
def resume_without_optimizer(script: Script) -> Iterator[Finding]:
    """A script resumes from its own checkpoint, which holds the weights, but no optimizer's state.

    Adam's averages and SGD's momentum then begin at nothing: the loss jumps after each resume, and
    a resumed run is not the one that was stopped.

    Found where the script saves a model's state to the very path from which it loads it before it
    trains that model, and never takes its optimizer's state.

    Bad:
        import os
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters())
        if os.path.exists("model.pt"):
            model.load_state_dict(torch.load("model.pt"))
        for epoch in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            torch.save(model.state_dict(), "model.pt")  # TRN713
    Good:
        import os
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters())
        if os.path.exists("last.pt"):
            last = torch.load("last.pt")
            model.load_state_dict(last["model"])
            optimizer.load_state_dict(last["optimizer"])
        for epoch in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, "last.pt")

    Source: the PyTorch tutorial "Saving and Loading Models", on checkpoints for resuming.
    """
    if any(not _is_module(event.receiver) for event in script.events("state")):
        return
    for update, module in training_of(script):
        optimizer = update.optimizer
        if not isinstance(optimizer, Obj) or _is_plain(optimizer) or escaped(script, optimizer):
            continue
        events = update.trace.events
        start = events.index(update.step)
        for load in (one for one in events[:start] if _loads(one, module)):
            for save in events[start:]:
                if _saves_what(events, save, load, module):
                    yield _finding(save, load)


def _is_module(value: Value) -> bool:
    return isinstance(value, Obj) and value.kind == "module"


def _is_plain(optimizer: Obj) -> bool:
    return optimizer.qualname in _PLAIN and "momentum" not in optimizer.kwargs


def _loads(event: Event, module: Value) -> bool:
    return event.kind == "load" and event.callee == "load_state_dict" and event.receiver is module


def _saves_what(events: list[Event], save: Event, load: Event, module: Value) -> bool:
    """Whether a model's state is saved to the path from which it was loaded."""
    read = next((e for e in events if e.kind == "load" and e.result is handed_over(load)), None)
    if save.kind != "save" or read is None or saved_path(save) is None:
        return False
    states = {e.result for e in events if e.kind == "state" and e.receiver is module}
    return handed_over(save) in states and saved_path(save) == saved_path(read, 0)


def _finding(save: Event, load: Event) -> Finding:
    return found(
        save.site,
        "the checkpoint from which this script resumes holds no state of its optimizer",
        related=[(load.site, "it resumes here")],
        hint='save `{"model": …, "optimizer": optimizer.state_dict()}`, and load both',
    )
