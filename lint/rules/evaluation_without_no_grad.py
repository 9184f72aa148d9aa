"""TRN305."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.evaluation import Evaluation, evaluations
from trainlint.lint.model import Script
from trainlint.lint.modes import mode_calls
from trainlint.lint.rule import found, rule


@rule("TRN305", Severity.INFO, needs=(b".eval(",))
def evaluation_without_no_grad(script: Script) -> Iterator[Finding]:
    """An evaluation records the graph for gradients that nobody asks for.

    `eval()` changes how layers compute, not whether gradients are recorded. Without `no_grad` each
    batch keeps all activations: it takes several times the memory, and more time. The numbers are
    the same: this advice is off by default.

    Bad:
        import torch
        from torch import nn

        def evaluate(model: nn.Module, loader):
            model.eval()
            total = 0.0
            for x, y in loader:
                total += nn.functional.mse_loss(model(x), y).item()  # TRN305
            return total
    Good:
        import torch
        from torch import nn

        @torch.no_grad()
        def evaluate(model: nn.Module, loader):
            model.eval()
            total = 0.0
            for x, y in loader:
                total += nn.functional.mse_loss(model(x), y).item()
            return total

    Source: the PyTorch note "Autograd mechanics", on evaluation mode and no-grad mode.
    """
    for one in evaluations(script):
        if one.forward.contexts or _switched(script) or not _evaluates(one):
            continue
        if one.forward.site.script is not script:
            continue  # told of where the file itself is checked
        name = one.forward.receiver_text or "the model"
        yield found(
            one.forward.site,
            f"`{name}` is evaluated with gradients recorded",
            related=[(one.loop.heading, "the loop that evaluates")],
            hint="put the loop under `with torch.no_grad():`",
        )


def _switched(script: Script) -> bool:
    """`torch.set_grad_enabled(False)`, or gradients of inputs, as attacks take them."""
    switches = ("torch.set_grad_enabled", "torch.autograd.grad", "torch._C._set_grad_enabled")
    return any(event.callee in switches for event in script.events("call"))


def _evaluates(one: Evaluation) -> bool:
    """Whether the module is in evaluation mode when it predicts."""
    before = [call for call in mode_calls(one.trace) if call.index < one.index]
    mine = [call for call in before if call.module is one.module]
    return bool(mine) and mine[-1].training is False
