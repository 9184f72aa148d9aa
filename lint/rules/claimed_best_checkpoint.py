"""TRN727."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import findings, may_do
from trainlint.lint.lower.subjects import BEST
from trainlint.lint.model import Script
from trainlint.lint.rule import rule

_COMPARES = re.compile(r"[<>]|\b(?:and|or)\b")


@rule("TRN727", needs=BEST.screen)
def claimed_best_checkpoint(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that the best model is saved, and nothing chooses it.

    What is saved is the last model, or none: the one that the validation set would have chosen is
    gone when the run ends.

    A save, or a copy of the weights, under any test that is not "every so many epochs" counts as
    choosing.

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
            # save the best model  # TRN727
            torch.save(model.state_dict(), "best.pt")
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lowest = float("inf")
        for epoch in range(20):
            for x in torch.randn(20, 8, 4):
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
            # save the best model
            if loss.item() < lowest:
                lowest = loss.item()
                torch.save(model.state_dict(), "best.pt")

    Source: Prechelt, "Early Stopping - But When?" (1998), for which model to keep.
    """
    yield from findings(
        script,
        BEST,
        "the best model is saved",
        "save it where the validation metric is better than ever before",
        does=_may_choose,
    )


def _may_choose(script: Script) -> bool:
    """Whether a name speaks of choosing, or a test that is not the clock's guards the weights."""
    return may_do(script, BEST, strings=False) or any(
        not _is_clock(condition.site.text)
        for event in script.events("save", "state", "load")
        for condition in event.conditions
    )


def _is_clock(test: str) -> bool:
    """Whether a test asks for the epoch, or for how the file is run, and for nothing else."""
    return "__name__" in test or ("%" in test and not _COMPARES.search(test))
