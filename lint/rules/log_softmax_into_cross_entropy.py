"""TRN402."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN402", Severity.INFO, needs=(b"CrossEntropyLoss", b"cross_entropy"))
def log_softmax_into_cross_entropy(script: Script) -> Iterator[Finding]:
    """The output of a log-softmax goes into a cross-entropy, which applies it again.

    Log-softmax of a log-softmax is the same once more, so nothing is wrong; it is work done twice,
    and `NLLLoss` is the loss that was meant.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=1))
        loss = nn.functional.cross_entropy(  # TRN402
            model(torch.randn(8, 4)), torch.randint(3, (8,))
        )
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=1))
        loss = nn.functional.nll_loss(model(torch.randn(8, 4)), torch.randint(3, (8,)))

    Source: the documentation of torch.nn.CrossEntropyLoss.
    """
    for mismatch in loss_after(script, ("CrossEntropyLoss",), ("log_softmax",)):
        yield found(
            mismatch.site,
            "the cross-entropy is given the output of a log-softmax, and applies it once more",
            related=mismatch.related,
            hint="hand it the logits, or use NLLLoss",
        )
