"""TRN724."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import findings
from trainlint.lint.lower.subjects import SEED
from trainlint.lint.model import Script
from trainlint.lint.rule import rule


@rule("TRN724", needs=SEED.screen)
def claimed_seed(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that a seed is set, and nothing sets one.

    First weights, order of the data and dropout differ from run to run, though the reader was told
    that they do not: a result cannot be repeated, nor two runs compared.

    The rule is silent where any word of the code, here or in the files that it imports, may stand
    for doing it, where an import cannot be read, and where a comment plans, hedges or explains.

    Bad:
        import torch
        from torch import nn

        # set the random seed  # TRN724
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        # set the random seed
        torch.manual_seed(0)
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: the PyTorch notes "Reproducibility".
    """
    yield from findings(
        script,
        SEED,
        "a seed is set",
        "call `torch.manual_seed(…)` before the model is made",
    )
