"""TRN405."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN405", needs=(b"BCEWithLogitsLoss", b"binary_cross_entropy_with_logits"))
def sigmoid_into_bce_with_logits(script: Script) -> Iterator[Finding]:
    """The output of a sigmoid goes into a binary cross-entropy that takes logits.

    `BCEWithLogitsLoss` applies the sigmoid itself. Applied twice, its output lies between 0.5 and
    0.73: no sample can ever be called negative with confidence.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
        criterion = nn.BCEWithLogitsLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.rand(8, 1).round())  # TRN405
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        criterion = nn.BCEWithLogitsLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.rand(8, 1).round())

    Source: the documentation of torch.nn.BCEWithLogitsLoss ("combines a Sigmoid layer and the
    BCELoss in one single class").
    """
    for mismatch in loss_after(script, ("BCEWithLogitsLoss",), ("sigmoid", "softmax")):
        yield found(
            mismatch.site,
            f"the loss is given the output of a {mismatch.operation.name}, and applies a"
            " sigmoid to it once more",
            related=mismatch.related,
            hint="hand it the logits, or use BCELoss",
        )
