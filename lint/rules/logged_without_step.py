"""TRN702."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.logged import logged
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN702", needs=(b"SummaryWriter",))
def logged_without_step(script: Script) -> Iterator[Finding]:
    """A value is logged in a loop without a global step.

    TensorBoard puts a value without a step at step 0: all values of the loop stand on top of each
    other, and the curve is a vertical line.

    Nothing is said where each pass logs another tag, where the loop logs once in its course, or
    where the writer or the tag come from something that cannot be seen.

    Bad:
        import torch
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean())  # TRN702

    Good:
        import torch
        from torch.utils.tensorboard import SummaryWriter

        def train(loader, epochs):
            writer = SummaryWriter()
            for epoch in range(epochs):
                for i, batch in enumerate(loader):
                    writer.add_scalar("loss", batch.mean(), epoch * len(loader) + i)

    Source: the documentation of torch.utils.tensorboard.SummaryWriter.add_scalar.
    """
    for one in logged(script):
        loop = one.event.loops[-1]
        if one.sink == "writer" and one.step is None and one.one_curve(loop) and one.recurs(loop):
            yield found(
                one.event.site,
                "this is logged in each pass of the loop without a global step: all values stand at"
                " step 0",
                related=[(loop.heading, "the loop")],
                hint="count the passes over all epochs, and hand the count over as `global_step`",
            )
