"""TRN403."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN403", needs=(b"NLLLoss", b"nll_loss"))
def probabilities_into_nll_loss(script: Script) -> Iterator[Finding]:
    """The output of a softmax goes into a negative log-likelihood that takes log-probabilities.

    `NLLLoss` takes no logarithm: given probabilities it returns minus the probability, a loss
    between -1 and 0 whose gradients vanish where the model is most wrong.

    Bad:
        import torch
        import torch.nn.functional as F
        from torch import nn

        model = nn.Linear(4, 3)
        output = F.softmax(model(torch.randn(8, 4)), dim=1)
        loss = F.nll_loss(output, torch.randint(3, (8,)))  # TRN403
    Good:
        import torch
        import torch.nn.functional as F
        from torch import nn

        model = nn.Linear(4, 3)
        output = F.log_softmax(model(torch.randn(8, 4)), dim=1)
        loss = F.nll_loss(output, torch.randint(3, (8,)))

    Source: the documentation of torch.nn.NLLLoss (its input "is expected to contain
    log-probabilities of each class").
    """
    for mismatch in loss_after(script, ("NLLLoss",), ("softmax", "sigmoid")):
        yield found(
            mismatch.site,
            f"the negative log-likelihood is given the output of a {mismatch.operation.name}:"
            " it takes log-probabilities",
            related=mismatch.related,
            hint="use log_softmax before it, or cross_entropy on the logits",
        )
