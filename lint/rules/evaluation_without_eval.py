"""TRN304."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.evaluation import Evaluation, evaluations
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Script
from trainlint.lint.modes import (
    NO_GRAD,
    holds_modal_layers,
    is_handed,
    is_wrapped,
    may_concern,
    mode_calls,
    training_of,
)
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update


@rule("TRN304", needs=(b"no_grad", b"inference_mode"))
def evaluation_without_eval(script: Script) -> Iterator[Finding]:
    """A model with Dropout or BatchNorm is evaluated in training mode.

    Nothing in the script ever calls `eval()`: Dropout disturbs the predictions that are measured,
    and BatchNorm learns the statistics of the test data.

    Reported where the model is trained in the same script, such a layer is seen in it, and a loop
    without gradients judges its predictions. An explicit `train()` before it counts as meant.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        data = torch.randn(20, 8, 4)
        for x in data:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            for x in data:
                print(nn.functional.mse_loss(model(x), x[:, :1]))  # TRN304
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        data = torch.randn(20, 8, 4)
        for x in data:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for x in data:
                print(nn.functional.mse_loss(model(x), x[:, :1]))

    Source: the documentation of torch.nn.Module.eval.
    """
    trainings = [(update, module) for update, module in training_of(script)]
    for one in evaluations(script):
        updates = [update for update, module in trainings if module is one.module]
        if not updates or one.forward.within(*NO_GRAD) is None:
            continue
        if is_wrapped(one.forward) or _is_meant(script, one, updates):
            continue
        if not _never_told(script, one.module):
            continue
        if holds_modal_layers(script, one.module):
            yield _finding(one)


def _never_told(script: Script, module: Value) -> bool:
    """Whether nothing in the script may ever put the module into evaluation mode."""
    calls = [call for trace in script.traces for call in mode_calls(trace)]
    if any(may_concern(script, call, module) for call in calls if call.training is not True):
        return False
    return not any(is_handed(event, module) for event in script.events("opaque"))


def _is_meant(script: Script, one: Evaluation, updates: list[Update]) -> bool:
    """Whether `train()` is called for this evaluation, not for a training before it."""
    calls = mode_calls(one.trace)
    before = [c.index for c in calls if c.index < one.index and may_concern(script, c, one.module)]
    if not before:
        return False
    between = one.trace.events[before[-1] : one.index]
    return not any(update.step in between for update in updates)


def _finding(one: Evaluation) -> Finding:
    name = one.forward.receiver_text or "the model"
    return found(
        one.forward.site,
        f"`{name}` is evaluated in training mode: no `eval()` is ever called",
        related=[(one.loop.heading, "the loop that evaluates")],
        hint=f"call `{name}.eval()` before this loop, and `{name}.train()` before training again",
    )
