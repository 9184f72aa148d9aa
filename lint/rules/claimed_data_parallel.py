"""TRN721."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.claimed import findings
from trainlint.lint.lower.subjects import PARALLEL
from trainlint.lint.model import Script
from trainlint.lint.rule import rule


@rule("TRN721", needs=PARALLEL.screen)
def claimed_data_parallel(script: Script) -> Iterator[Finding]:
    """A comment or docstring says that training is spread over several GPUs, and nothing does it.

    One GPU does all the work, however many there are: the run takes as long as on one, and the
    batch is not what its reader thinks.

    The rule is silent where any word of the code, here or in the files that it imports, may stand
    for doing it, where an import cannot be read, and where a comment plans, hedges or explains.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        # wrap the model in DataParallel  # TRN721
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        # wrap the model in DataParallel
        model = nn.DataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: torch.nn.parallel.DistributedDataParallel, for what spreads training.
    """
    yield from findings(
        script,
        PARALLEL,
        "training is spread over several GPUs",
        "wrap the model in `torch.nn.parallel.DistributedDataParallel`, or take the words out",
    )
