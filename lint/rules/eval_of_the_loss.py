"""TRN313."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Script
from trainlint.lint.modes import holds_modal_layers, mode_calls, training_of
from trainlint.lint.rule import found, rule
from trainlint.lint.training import escaped


@rule("TRN313", needs=(b".eval(",))
def eval_of_the_loss(script: Script) -> Iterator[Finding]:
    """The loss is put into evaluation mode, and the model never is.

    A loss of torch's has no layers that know the two modes: `criterion.eval()` does nothing. The
    model goes on dropping out, and its BatchNorm goes on learning, while it is evaluated.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        criterion = nn.MSELoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = criterion(model(torch.randn(8, 4)), torch.randn(8, 1))
            loss.backward()
            optimizer.step()
        criterion.eval()  # TRN313
        print(criterion(model(torch.randn(8, 4)), torch.randn(8, 1)))
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        criterion = nn.MSELoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = criterion(model(torch.randn(8, 4)), torch.randn(8, 1))
            loss.backward()
            optimizer.step()
        model.eval()
        print(criterion(model(torch.randn(8, 4)), torch.randn(8, 1)))

    Source: the documentation of torch.nn.Module.eval (it has an effect on certain modules only).
    """
    calls = [call for trace in script.traces for call in mode_calls(trace)]
    off = [call for call in calls if call.training is not True]
    of_losses = [call for call in off if _is_plain_loss(call.module)]
    if not of_losses or len(of_losses) != len(off):
        return
    modules = [module for _, module in training_of(script)]
    for module in modules:
        if holds_modal_layers(script, module) and not escaped(script, module):
            for call in of_losses:
                name = call.event.receiver_text or "the loss"
                yield found(
                    call.event.site,
                    f"`{name}` is a loss, which knows no modes; the model is never put into"
                    " evaluation mode",
                    hint="call `eval()` of the model",
                )


def _is_plain_loss(value: object) -> bool:
    return isinstance(value, Obj) and value.kind == "loss" and value.cls is None
