"""TRN418."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding
from trainlint.lint.losses import loss_calls
from trainlint.lint.model import Script
from trainlint.lint.outputs import last_operations
from trainlint.lint.rule import found, rule

_LOSSES = ("CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss", "MSELoss", "L1Loss")


@rule("TRN418", needs=(b"ropout",), confidence=Confidence.MEDIUM)
def dropout_on_logits(script: Script) -> Iterator[Finding]:
    """A dropout is the last thing done to a model's output before the loss.

    It sets predictions themselves to 0, at random: a logit of 0, a probability of 0. The loss then
    punishes the model for what chance did, and its other outputs are scaled up. Dropout belongs
    between layers. Off by default: some noise of this kind is on purpose.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
        loss = nn.functional.cross_entropy(  # TRN418
            model(torch.randn(8, 4)), torch.randint(3, (8,))
        )
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
        loss = nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(3, (8,)))

    Source: the documentation of torch.nn.Dropout (elements are zeroed, the others scaled up).
    """
    for call in loss_calls(script, *_LOSSES):
        operations = list(last_operations(call.input))
        dropouts = [one.dropout for one in operations if one.dropout is not None]
        if dropouts and len(dropouts) == len(operations):
            yield found(
                call.event.site,
                "the loss is given what a dropout has set to 0 at random",
                related=[(dropouts[0], "the dropout")],
                hint="put the dropout before the last layer",
            )
