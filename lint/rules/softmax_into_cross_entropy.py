"""TRN401."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN401", needs=(b"CrossEntropyLoss", b"cross_entropy"))
def softmax_into_cross_entropy(script: Script) -> Iterator[Finding]:
    """The output of a softmax goes into a cross-entropy that takes logits.

    `CrossEntropyLoss` applies log-softmax itself. Given probabilities, it squeezes them once more:
    the loss can fall no lower than about 1.46 for ten classes, and gradients are small. The model
    still learns something, which is why nobody notices.

    Reported where the softmax is surely the last thing done to the loss's input, through the
    model's own `forward`, wrappers and other files. A softmax within the network, as in attention,
    is none, nor is one that only a metric is given.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
        criterion = nn.CrossEntropyLoss()
        loss = criterion(model(torch.randn(8, 4)), torch.randint(3, (8,)))  # TRN401
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 3)
        criterion = nn.CrossEntropyLoss()
        logits = model(torch.randn(8, 4))
        loss = criterion(logits, torch.randint(3, (8,)))
        probabilities = logits.softmax(dim=1)

    Source: the documentation of torch.nn.CrossEntropyLoss ("unnormalized logits").
    """
    for mismatch in loss_after(script, ("CrossEntropyLoss",), ("softmax",)):
        yield found(
            mismatch.site,
            "the cross-entropy is given the output of a softmax, and applies log-softmax to it"
            " once more",
            related=mismatch.related,
            hint="hand it the logits; apply softmax only where probabilities are wanted",
        )
