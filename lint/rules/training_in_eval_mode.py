"""TRN303."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.model import Script
from trainlint.lint.modes import (
    ModeCall,
    holds_modal_layers,
    is_wrapped,
    may_restore,
    mode_calls,
    training_of,
)
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, unconditional


@rule("TRN303", needs=(b".eval(", b".train("))
def training_in_eval_mode(script: Script) -> Iterator[Finding]:
    """A model is put into evaluation mode and then trained, and nothing ever puts it back.

    Its Dropout is off for the whole training, and its BatchNorm normalizes with running statistics
    that never change: freshly made, those are a mean of 0 and a variance of 1.

    Silent where only a part of the model is put into it, such as a frozen backbone, where the mode
    may be restored, and for models in which no layer is seen that knows the two modes.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.eval()  # TRN303
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.train()
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.nn.BatchNorm1d (evaluation mode) and torch.nn.Dropout.
    """
    for update, module in training_of(script):
        for call in mode_calls(update.trace):
            if call.training is not False or call.module is not module:
                continue
            before = call.index < update.trace.events.index(update.backward)
            if before and _stays(script, update, call):
                yield _finding(call, update)


def _stays(script: Script, update: Update, call: ModeCall) -> bool:
    same_loops = call.event.loops == update.step.loops[: len(call.event.loops)]
    if not same_loops or is_wrapped(call.event) or not unconditional(call.event, update.step):
        return False
    if holds_modal_layers(script, call.module) is not True:
        return False
    return not may_restore(script, update.trace, call.module, None)


def _finding(call: ModeCall, update: Update) -> Finding:
    name = call.event.receiver_text or "the model"
    return found(
        call.event.site,
        f"`{name}` is put into evaluation mode before it is trained, and nothing puts it back",
        related=[(update.step.site, "here it is trained")],
        hint=f"call `{name}.train()` before the training",
    )
