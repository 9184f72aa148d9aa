"""TRN703."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.logged import logs_again, step_of
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN703", needs=(b"SummaryWriter",))
def inner_index_as_step(script: Script) -> Iterator[Finding]:
    """The global step is the index of the inner loop, which starts again in every epoch.

    The curves of all epochs are drawn over each other, as a zigzag that runs back at each epoch's
    end.

    Nothing is said where the tag or the writer change with the epoch.

    Bad:
        import torch
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), i)  # TRN703

    Good:
        import torch
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), epoch * len(loader) + i)

    Source: the documentation of torch.utils.tensorboard.SummaryWriter.add_scalar, on `global_step`.
    """
    for event in script.events("log"):
        step = step_of(event)
        if step is None or len(event.loops) < 2:
            continue
        outer, inner = event.loops[-2:]
        if step.text != inner.index or step.value.varies != frozenset({inner}):
            continue
        if inner.start is None and logs_again(event, outer) and logs_again(event, inner):
            text = inner.over_text
            yield found(
                step.site,
                f"the global step `{step.text}` starts again in each pass of the outer loop: its"
                " curves are drawn over each other",
                related=[(outer.heading, "the outer loop"), (inner.heading, "the inner loop")],
                hint=f"add what went before: `epoch * len({text}) + {step.text}`",
            )
