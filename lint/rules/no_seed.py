"""TRN910."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import all_updates, reads


@rule("TRN910", Severity.INFO, needs=(b".backward(",))
def no_seed(script: Script) -> Iterator[Finding]:
    """A script trains, and nothing sets a seed.

    First weights, order of the data and dropout differ from run to run: two runs cannot be
    compared, and a good one cannot be repeated.

    Anything that is called a seed counts, here and in the files that are imported.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):  # TRN910
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        torch.manual_seed(0)
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: the PyTorch notes "Reproducibility".
    """
    if not script.whole or reads(script, b"seed", b"Seed", b"SEED"):
        return
    for update in all_updates(script):
        loop = next(iter(update.step.loops), None)
        if loop is not None and loop.site.script is script and not update.functions:
            yield found(
                loop.heading,
                "this script trains, and nothing sets a seed: no run can be repeated",
                related=[(update.step.site, "the weights move here")],
                hint="call `torch.manual_seed(…)` before the model is made",
            )
            return
