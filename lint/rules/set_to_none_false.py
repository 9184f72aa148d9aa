"""TRN914."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN914", Severity.INFO, needs=(b"set_to_none", b"zero_grad(False"))
def set_to_none_false(script: Script) -> Iterator[Finding]:
    """Gradients are filled with zeros rather than dropped.

    `zero_grad()` sets them to None, which saves their memory between passes and a write to each of
    them. `set_to_none=False` asks for the zeros of old.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad(set_to_none=False)  # TRN914
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: the documentation of torch.optim.Optimizer.zero_grad, on `set_to_none`.
    """
    for event in script.events("zero_grad"):
        given = event.argument(0, "set_to_none")
        if given is not None and isinstance(given.value, Const) and given.value.value is False:
            yield found(
                event.site,
                "gradients are filled with zeros: dropping them saves memory and time",
                hint="leave `set_to_none` out, unless something reads the zeros",
            )
