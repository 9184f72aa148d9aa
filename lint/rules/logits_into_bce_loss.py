"""TRN406."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.outputs import LINEAR
from trainlint.lint.rule import found, rule


@rule("TRN406", Severity.ERROR, needs=(b"BCELoss", b"binary_cross_entropy"))
def logits_into_bce_loss(script: Script) -> Iterator[Finding]:
    """The output of a linear layer goes straight into a binary cross-entropy on probabilities.

    `BCELoss` takes numbers from 0 to 1. The first logit outside stops the script with an
    error, on a GPU with an assertion that names another line.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        criterion = nn.BCELoss()
        loss = criterion(model(torch.randn(8, 4)), torch.rand(8, 1).round())  # TRN406
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        criterion = nn.BCEWithLogitsLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.rand(8, 1).round())

    Source: the documentation of torch.nn.BCELoss.
    """
    for mismatch in loss_after(script, ("BCELoss",), LINEAR):
        yield found(
            mismatch.site,
            "the binary cross-entropy is given the logits of a linear layer: it takes"
            " probabilities",
            related=mismatch.related,
            hint="use BCEWithLogitsLoss, or a sigmoid before it",
        )
