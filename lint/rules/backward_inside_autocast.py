"""TRN215."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autocast import autocast_around, is_off
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN215", Severity.INFO, needs=(b"autocast",))
def backward_inside_autocast(script: Script) -> Iterator[Finding]:
    """`backward()` is called inside an autocast block.

    Autocast chooses the types of forward operations; backward operations run in the types that
    their forward operations had. PyTorch recommends to end the block before `backward()`: with
    checkpointing or hooks, what is computed there would be cast as well.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
                loss.backward()  # TRN215
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.autocast: "Backward passes under autocast are not
    recommended".
    """
    for event in script.events("backward"):
        context = autocast_around(event)
        if context is not None and not is_off(context):
            yield found(
                event.site,
                "`backward()` is called inside an autocast block, where PyTorch does not recommend"
                " it",
                related=[(context.site, "the block")],
                hint="end the block before `backward()`",
            )
