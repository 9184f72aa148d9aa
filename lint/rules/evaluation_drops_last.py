"""TRN613."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.data import flag, loaders, option, passes
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN613", Severity.INFO, needs=(b"drop_last",))
def evaluation_drops_last(script: Script) -> Iterator[Finding]:
    """A loader that is only evaluated on drops its last batch.

    With `drop_last=True` up to a batch of examples is left out of the metric, and with shuffling it
    is another part each time. Dropping the last batch serves training, where a small batch is
    noisy, and not evaluation.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.randn(100, 4), torch.randn(100, 1))
        loader = DataLoader(data, batch_size=8, drop_last=True)  # TRN613
        model = nn.Linear(4, 1).eval()
        with torch.no_grad():
            for x, y in loader:
                print(nn.functional.mse_loss(model(x), y))
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.randn(100, 4), torch.randn(100, 1))
        loader = DataLoader(data, batch_size=8)
        model = nn.Linear(4, 1).eval()
        with torch.no_grad():
            for x, y in loader:
                print(nn.functional.mse_loss(model(x), y))

    Source: the documentation of torch.utils.data.DataLoader, on `drop_last`.
    """
    for event in loaders(script):
        if flag(option(event.result, "drop_last")) is not True:
            continue
        loops = passes(script, event.result)
        if loops and all(one.evaluates and one.learns_nothing for one in loops):
            yield found(
                event.site,
                "this loader is evaluated on and drops its last batch: some examples are never"
                " counted",
                related=[(loops[0].loop.heading, "here it is evaluated on")],
                hint="leave `drop_last` out where the model is evaluated",
            )
