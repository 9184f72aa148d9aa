"""TRN709."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix
from trainlint.lint.carried import Kept, kept_losses
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN709", needs=(b"backward(",))
def losses_kept_with_graph(script: Script) -> Iterator[Finding]:
    """Losses are summed up or kept over a loop with the graphs that they were computed by.

    A sum of loss tensors keeps the graph of each: memory grows from batch to batch, until it runs
    out. `loss.item()` is the number alone.

    Found in loops that train on the loss. Nothing is said where the sum is itself trained on, under
    `no_grad`, or where it begins anew within the loop. Lists of losses are judged alike.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total = 0
        for batch in torch.randn(5, 8, 4):
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            total += loss  # TRN709

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total = 0
        for batch in torch.randn(5, 8, 4):
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()

    Fix safety: the fix adds `.item()`; the sum is a Python number then, and no tensor.
    Source: the PyTorch FAQ, on running out of memory ("Don't accumulate history across your
    training loop").
    """
    for trace in script.traces:
        for kept in kept_losses(trace):
            yield _finding(script, kept)


def _finding(script: Script, kept: Kept) -> Finding:
    text, sums = kept.loss.text, kept.event.kind == "augment"
    fix = None
    if kept.event.site.script is script and text.isidentifier():
        edit = script.edit(kept.loss.site.node, f"{text}.item()")
        fix = None if edit is None else Fix(f"Add `{text}.item()`", (edit,), safe=False)
    verb = "sums up" if sums else "keeps"
    line = f"{kept.name} += {text}.item()" if sums else f"{kept.name}.append({text}.item())"
    return found(
        kept.event.site,
        f"`{kept.name}` {verb} losses with their graphs: memory grows in each pass",
        related=[(kept.loop.heading, "the loop"), (kept.backward.site, "the graph's backward")],
        hint=f"add the number: `{line}`" if sums else f"keep the number: `{line}`",
        fix=fix,
    )
