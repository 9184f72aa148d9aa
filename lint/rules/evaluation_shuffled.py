"""TRN614."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.data import flag, loaders, option, passes
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN614", Severity.INFO, needs=(b"shuffle",))
def evaluation_shuffled(script: Script) -> Iterator[Finding]:
    """A loader that is only evaluated on shuffles its data.

    Shuffling changes no mean over all examples, but it costs time, and predictions that are kept
    cannot be matched with the data any more. It is mostly copied from the line above.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.randn(100, 4), torch.randn(100, 1))
        loader = DataLoader(data, batch_size=8, shuffle=True)  # TRN614
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

    Source: the documentation of torch.utils.data.DataLoader, on `shuffle`.
    """
    for event in loaders(script):
        if flag(option(event.result, "shuffle")) is not True:
            continue
        loops = passes(script, event.result)
        if loops and all(one.evaluates and one.learns_nothing for one in loops):
            yield found(
                event.site,
                "this loader is only evaluated on, and shuffles: its results come in another order"
                " each time",
                related=[(loops[0].loop.heading, "here it is evaluated on")],
                hint="leave `shuffle` out where the model is evaluated",
            )
