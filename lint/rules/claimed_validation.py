"""TRN728."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from trainlint.finding import Finding
from trainlint.lint.claimed import all_words, findings
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.subjects import VALIDATION
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Claim, Script
from trainlint.lint.rule import rule
from trainlint.lint.training import Update

_SPLITS = re.compile(
    r"[\w ,.()]+ = (?:.*(?:DataLoader|Sampler|random_split|train_test_split|Subset|Dataset|datasets"
    r"|split \(|len \(|range|perm)|[^\[]*\[[^:]*:.*\])"
)


@rule("TRN728", needs=VALIDATION.screen)
def claimed_validation(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that the model is validated, and nothing evaluates it.

    Nothing tells whether the model has learned anything beyond its training data, though a reader
    of the comment believes that it was looked at.

    A forward pass that is not trained on, and any mention of evaluation or of validation data after
    the data were split, count as evaluating.

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
            # evaluate the model on the validation set  # TRN728
            print(epoch)
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(20):
            for x in torch.randn(20, 8, 4):
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
            # evaluate the model on the validation set
            with torch.no_grad():
                print(model(torch.ones(8, 4)).square().mean())

    Source: Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 5.3.
    """
    yield from findings(
        script,
        VALIDATION,
        "the model is validated",
        "run the validation data through the model, under `model.eval()` and `torch.no_grad()`",
        does=_may_evaluate,
        veto=partial(_is_of_other_code, script),
    )


def _may_evaluate(script: Script) -> bool:
    """Whether anything but making the data speaks of evaluation, or some output is not trained."""
    for text in all_words(script):
        if text is None or VALIDATION.does.search(_without_splits(text)):
            return True
    trained: set[Value] = set()
    for event in script.events("backward"):
        for value in (event.receiver, *(arg.value for arg in event.args)):
            trained.update(ancestors(value))
    return any(event.result not in trained for event in script.events("forward"))


def _is_of_other_code(script: Script, claim: Claim, update: Update) -> bool:
    """Whether a comment stands before the training, or over lines that look at the model."""
    if claim.where != "comment":
        return False
    before = claim.location.line < update.step.loops[0].heading.line
    return before or _looks_at_model(script, claim, update)


def _looks_at_model(script: Script, claim: Claim, update: Update) -> bool:
    """Whether what follows a comment, in its block, names a module that is trained."""
    lines = script.source.code_lines
    start = next((n for n, line in enumerate(lines) if claim.text in line), len(lines))
    column = len(lines[start]) - len(lines[start].lstrip()) if start < len(lines) else 0
    after: list[str] = []
    for line in lines[start + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) < column:
            break
        after.append(line.split("#")[0])
    names = {event.receiver_text for event in update.trace.events if event.kind == "forward"}
    return any(name in line for name in {"model", "net", *names} - {""} for line in after)


def _without_splits(text: str) -> str:
    """A code without the assignments that split data and make loaders of them."""
    return "\n".join(line for line in text.splitlines() if not _SPLITS.match(line))
