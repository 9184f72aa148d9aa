"""TRN404."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.outputs import LINEAR
from trainlint.lint.rule import found, rule


@rule("TRN404", needs=(b"NLLLoss", b"nll_loss"))
def logits_into_nll_loss(script: Script) -> Iterator[Finding]:
    """The output of a linear layer goes straight into a negative log-likelihood.

    `NLLLoss` takes log-probabilities. Given logits it is minus the logit of the right class: the
    model lowers it without end by raising all of its outputs, and learns nothing of the classes.

    Bad:
        import torch
        import torch.nn.functional as F
        from torch import nn

        model = nn.Linear(4, 3)
        loss = F.nll_loss(model(torch.randn(8, 4)), torch.randint(3, (8,)))  # TRN404
    Good:
        import torch
        import torch.nn.functional as F
        from torch import nn

        model = nn.Linear(4, 3)
        loss = F.cross_entropy(model(torch.randn(8, 4)), torch.randint(3, (8,)))

    Source: the documentation of torch.nn.NLLLoss.
    """
    for mismatch in loss_after(script, ("NLLLoss",), LINEAR):
        yield found(
            mismatch.site,
            "the negative log-likelihood is given the logits of a linear layer: it takes"
            " log-probabilities",
            related=mismatch.related,
            hint="use cross_entropy, or log_softmax before it",
        )
