"""TRN407."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.losses import loss_after
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN407", needs=(b"KLDivLoss", b"kl_div"))
def probabilities_into_kl_div(script: Script) -> Iterator[Finding]:
    """The first argument of a KL divergence is a softmax: it takes log-probabilities there.

    `kl_div(input, target)` is the sum of `target * (log target - input)`: its input is already a
    logarithm. With probabilities in its place the result is no divergence, can be negative, and
    pulls the model towards the wrong distribution.

    Bad:
        import torch
        import torch.nn.functional as F

        student, teacher = torch.randn(8, 3), torch.randn(8, 3)
        loss = F.kl_div(student.softmax(1), teacher.softmax(1), reduction="batchmean")  # TRN407
    Good:
        import torch
        import torch.nn.functional as F

        student, teacher = torch.randn(8, 3), torch.randn(8, 3)
        loss = F.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="batchmean")

    Source: the documentation of torch.nn.KLDivLoss.
    """
    for mismatch in loss_after(script, ("KLDivLoss",), ("softmax", "sigmoid")):
        yield found(
            mismatch.site,
            f"the first argument of the KL divergence is a {mismatch.operation.name}: it takes"
            " log-probabilities",
            related=mismatch.related,
            hint="use log_softmax for the first argument (and softmax for the second)",
        )
