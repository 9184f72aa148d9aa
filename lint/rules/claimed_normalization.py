"""TRN726."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import findings
from trainlint.lint.lower.subjects import SPECTRAL, WEIGHT_NORM
from trainlint.lint.model import Script
from trainlint.lint.rule import rule


@rule("TRN726", needs=(*SPECTRAL.screen, *WEIGHT_NORM.screen))
def claimed_normalization(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that weights are spectrally or weight normalised, and none are.

    The weights are as free as ever: a discriminator is as steep as it likes, and the reader looks
    for the cause of the trouble elsewhere.

    The rule is silent where any word of the code, here or in the files that it imports, may stand
    for doing it, where an import cannot be read, and where a comment plans, hedges or explains.

    Bad:
        import torch
        from torch import nn

        # apply spectral normalization to the layer  # TRN726
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        # apply spectral normalization to the layer
        model = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (2018);
    Salimans and Kingma, "Weight Normalization" (2016).
    """
    for subject, name in ((SPECTRAL, "spectral_norm"), (WEIGHT_NORM, "weight_norm")):
        yield from findings(
            script,
            subject,
            f"the weights are under {subject.what} normalization",
            f"wrap the layers in `torch.nn.utils.parametrizations.{name}`",
        )
