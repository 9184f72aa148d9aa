"""TRN705."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding
from trainlint.lint.graph import ancestors
from trainlint.lint.logged import Logged, logged
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import together


@rule(
    "TRN705",
    needs=(b"SummaryWriter", b"wandb", b"mlflow"),
    confidence=Confidence.MEDIUM,
)
def counter_incremented_twice(script: Script) -> Iterator[Finding]:
    """The counter that is logged as the global step is incremented twice in each pass.

    The curve is stretched to double its length, and what is compared with it at the same step
    comes from another time of the training. As a rule one of the two lines was left over.

    A script may mean it, such as one that updates two networks in turn: it is off by default.

    Bad:
        from torch.utils.tensorboard import SummaryWriter

        def train(loader):
            writer, step = SummaryWriter(), 0
            for batch in loader:
                step += 1
                writer.add_scalar("loss", batch.mean(), step)
                step += 1  # TRN705
    Good:
        from torch.utils.tensorboard import SummaryWriter

        def train(loader):
            writer, step = SummaryWriter(), 0
            for batch in loader:
                writer.add_scalar("loss", batch.mean(), step)
                step += 1

    Source: the documentation of torch.utils.tensorboard.SummaryWriter.add_scalar, on
    `global_step`.
    """
    for one in logged(script):
        pair = _two_increments(one)
        if pair is not None and one.step is not None:
            first, second = pair
            yield found(
                second.site,
                f"`{second.receiver_text}` is incremented a second time in this pass",
                related=[
                    (first.site, "the first time"),
                    (one.step.site, "it is logged as the step"),
                ],
                hint="take one of the two away",
            )


def _two_increments(one: Logged) -> tuple[Event, Event] | None:
    """Two lines that each add 1 to the step, whenever it is logged."""
    if one.step is None:
        return None
    name, functions = one.step.text, one.event.functions
    found = [
        event
        for event in one.trace.events
        if event.kind == "augment" and event.callee == "+" and event.receiver_text == name
        if event.functions == functions and event.loops == one.event.loops and _adds_one(event)
    ]
    used = set(ancestors(one.step.value))
    if len({event.site.node for event in found}) != 2 or len(found) != 2:
        return None
    first, second = found
    moved = first.result in used or second.result in used or second.receiver is first.result
    return (first, second) if moved and together(first, second) else None


def _adds_one(event: Event) -> bool:
    value = event.args[0].value
    return isinstance(value, Const) and value.value == 1
