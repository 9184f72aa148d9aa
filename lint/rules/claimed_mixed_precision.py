"""TRN725."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import findings
from trainlint.lint.lower.subjects import PRECISION
from trainlint.lint.model import Script
from trainlint.lint.rule import rule


@rule("TRN725", needs=PRECISION.screen)
def claimed_mixed_precision(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that training uses mixed precision, and nothing lowers any.

    All is computed in float32: the run is as slow, and takes as much memory, as one that says
    nothing of the kind.

    The rule is silent where any word of the code, here or in the files that it imports, may stand
    for doing it, where an import cannot be read, and where a comment plans, hedges or explains.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            # mixed precision training  # TRN725
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            # mixed precision training
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.amp.
    """
    yield from findings(
        script,
        PRECISION,
        "training uses mixed precision",
        "run the forward pass under `torch.autocast`, with a `GradScaler` for float16",
    )
