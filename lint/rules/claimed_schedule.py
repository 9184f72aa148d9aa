"""TRN723."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import all_words, binds_again, findings, may_do
from trainlint.lint.lower.subjects import SCHEDULE
from trainlint.lint.lower.values import Value, options_of
from trainlint.lint.model import Claim, Script
from trainlint.lint.optimizers import is_torch_optimizer, made_optimizers
from trainlint.lint.rule import rule
from trainlint.lint.training import Update, modules_of

# Optimizers whose rate stays what it is.
_STEADY = ("SGD", "Adam", "AdamW", "RMSprop")
_RATE = re.compile(r"(?<![a-z])lr(?![a-z])|rate", re.IGNORECASE)


@rule("TRN723", needs=SCHEDULE.screen)
def claimed_schedule(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that the learning rate changes, and nothing changes it.

    The rate stays what it was at first: what was to settle at the end keeps jumping about.

    A new optimizer, a rate that is given a value twice, and optimizers that change their rates on
    their own count as changing it.

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
            # decay the learning rate  # TRN723
            print(epoch)
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
        for epoch in range(20):
            for x in torch.randn(20, 8, 4):
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
            # decay the learning rate
            scheduler.step()

    Source: the documentation of torch.optim, "How to adjust learning rate".
    """
    yield from findings(
        script,
        SCHEDULE,
        "the learning rate changes",
        "make a scheduler of `torch.optim.lr_scheduler`, and call its `step()`",
        does=_may_change,
        veto=_changes_by_itself,
    )


def _changes_by_itself(_: Claim, update: Update) -> bool:
    """Whether an optimizer changes its own rate."""
    return not all(is_torch_optimizer(one, *_STEADY) for one in options_of(update.optimizer))


def _may_change(script: Script) -> bool:
    """Whether a word speaks of it, or another optimizer, or another rate, takes over."""
    if may_do(script, SCHEDULE):
        return True
    made = list(made_optimizers(script))
    if any(event.loops for event in made):
        return True
    trained = [modules_of(event.result) for event in made]
    if len(made) > 1 and (None in trained or _overlap([one for one in trained if one])):
        return True
    return any(text is None or binds_again(text, _RATE) for text in all_words(script))


def _overlap(groups: list[set[Value]]) -> bool:
    return len(set().union(*groups)) < sum(map(len, groups))
