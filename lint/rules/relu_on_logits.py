"""TRN413."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.outputs import LINEAR
from trainlint.lint.rule import found, rule

_NORMALIZED = ("batch_norm", "batch_norm1d", "batch_norm2d", "layer_norm", "group_norm")


@rule("TRN413", needs=(b"CrossEntropyLoss", b"cross_entropy", b"WithLogits", b"with_logits"))
def relu_on_logits(script: Script) -> Iterator[Finding]:
    """A ReLU is the last thing done to the logits of a classification.

    Logits must be free to be negative. Behind a ReLU, no class can be ruled out, and a class whose
    unit is dead for a sample gets no gradient at all.

    Reported where the ReLU comes right after a linear layer or its normalization: a ReLU of
    distances or similarities is something else.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        criterion = nn.CrossEntropyLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.randint(3, (8,)))  # TRN413
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        criterion = nn.CrossEntropyLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.randint(3, (8,)))

    Source: the documentation of torch.nn.CrossEntropyLoss: its input is unnormalized logits, which
    "do not need to be positive".
    """
    losses = ("CrossEntropyLoss", "BCEWithLogitsLoss")
    for mismatch in loss_after(script, losses, ("relu",)):
        if mismatch.operation.follows(*LINEAR, *_NORMALIZED) is None:
            continue
        yield found(
            mismatch.site,
            "the loss is given the output of a ReLU: its logits can never be negative",
            related=mismatch.related,
            hint="leave the last layer without an activation",
        )
