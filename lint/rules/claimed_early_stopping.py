"""TRN722."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import findings
from trainlint.lint.lower.subjects import STOPPING
from trainlint.lint.lower.syntax import WAYS_OUT
from trainlint.lint.mentions import walk
from trainlint.lint.model import Claim, Script
from trainlint.lint.rule import rule
from trainlint.lint.training import Update


@rule("TRN722", needs=STOPPING.screen)
def claimed_early_stopping(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that training stops early, and no way leads out of the loop.

    The loop runs for all its epochs, past the point from which the model only learns its training
    data by heart; whoever reads the comment believes that it does not.

    Any `break`, `return` or `raise` in the loop counts as stopping, as does a `while` with a test.

    The rule is silent where any word of the code, here or in the files that it imports, may stand
    for doing it, where an import cannot be read, and where a comment plans, hedges or explains.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(20):
            for x in torch.randn(20, 8, 4):
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
            # early stopping  # TRN722
            print(epoch)
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lowest = float("inf")
        for epoch in range(20):
            total = 0.0
            for x in torch.randn(20, 8, 4):
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                total += loss.item()
            # early stopping
            if total > lowest:
                break
            lowest = total

    Source: Prechelt, "Early Stopping - But When?" (1998).
    """
    yield from findings(
        script,
        STOPPING,
        "training stops early",
        "leave the loop where the validation loss has not improved for some epochs",
        veto=_may_leave,
    )


def _may_leave(_: Claim, update: Update) -> bool:
    """Whether a way leads out of a loop around the step before its time."""
    if "range" not in update.step.loops[0].over_text:
        return True  # what it runs over may end when it likes
    return any(
        loop.kind == "while" or any(isinstance(node, WAYS_OUT) for node in walk(loop.site.node))
        for loop in update.step.loops
    )
