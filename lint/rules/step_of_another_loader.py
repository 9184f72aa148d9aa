"""TRN706."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.evaluation import dataset_of, is_loader
from trainlint.lint.logged import Logged, logged
from trainlint.lint.lower.values import Expr, Obj, Value
from trainlint.lint.model import Loop, Script
from trainlint.lint.rule import found, rule


@rule("TRN706", needs=(b"SummaryWriter", b"wandb", b"mlflow"))
def step_of_another_loader(script: Script) -> Iterator[Finding]:
    """The global step multiplies the epoch by the length of another loader than the one it counts.

    In `epoch * len(val_loader) + i`, with `i` counting the training batches, each epoch begins
    before the last one has ended: the curves overlap.

    Found in training loops, where both loaders are known and have their data from two places. A
    validation that logs at `epoch * len(train_loader) + i` aligns its points with the training's,
    and is left alone.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        from torch.utils.tensorboard import SummaryWriter

        writer, model = SummaryWriter(), nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train_loader = DataLoader(TensorDataset(torch.randn(90, 4)), batch_size=9, shuffle=True)
        val_loader = DataLoader(TensorDataset(torch.randn(10, 4)), batch_size=9)
        for epoch in range(10):
            for i, (x,) in enumerate(train_loader):
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                writer.add_scalar("loss", loss.item(), epoch * len(val_loader) + i)  # TRN706
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        from torch.utils.tensorboard import SummaryWriter

        writer, model = SummaryWriter(), nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train_loader = DataLoader(TensorDataset(torch.randn(90, 4)), batch_size=9, shuffle=True)
        val_loader = DataLoader(TensorDataset(torch.randn(10, 4)), batch_size=9)
        for epoch in range(10):
            for i, (x,) in enumerate(train_loader):
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                writer.add_scalar("loss", loss.item(), epoch * len(train_loader) + i)

    Source: the documentation of torch.utils.tensorboard.SummaryWriter.add_scalar, on
    `global_step`.
    """
    if not script.whole:
        return
    for one in logged(script):
        loop = one.event.loops[-1]
        other = _measured_by(one, loop)
        if other is not None:
            yield _finding(one, loop, other)


def _measured_by(one: Logged, loop: Loop) -> Obj | None:
    """The loader whose length the step multiplies, if it is not the one that the loop counts."""
    step = one.step.value if one.step is not None else None
    if not isinstance(step, Expr) or step.op != "+" or len(one.event.loops) < 2:
        return None
    lengths = [found for part in step.parts for found in _lengths(part)]
    if loop.counter is None or not any(part is loop.counter for part in step.parts):
        return None
    if len(lengths) != 1 or not _trains(one, loop):
        return None
    return lengths[0] if _differ(lengths[0], loop.over) else None


def _lengths(part: Value) -> Iterator[Obj]:
    """The loader in `epoch * len(loader)`."""
    if isinstance(part, Expr) and part.op == "*":
        for factor in part.parts:
            if isinstance(factor, Expr) and factor.op == "builtins.len":
                measured = factor.parts[0]
                if isinstance(measured, Obj) and is_loader(measured):
                    yield measured


def _trains(one: Logged, loop: Loop) -> bool:
    return any(event.kind == "backward" and loop in event.loops for event in one.trace.events)


def _differ(measured: Obj, counted: Value) -> bool:
    """Whether two loaders surely take their batches from two datasets."""
    if not isinstance(counted, Obj) or not is_loader(counted) or measured is counted:
        return False
    one, other = dataset_of(measured), dataset_of(counted)
    made = isinstance(one, Obj) and isinstance(other, Obj)
    return made and one is not other


def _finding(one: Logged, loop: Loop, other: Obj) -> Finding:
    assert one.step is not None
    places = [(other.site, "the loader whose length is taken")] if other.site is not None else []
    return found(
        one.step.site,
        f"the global step `{one.step.text}` counts the batches of `{loop.over_text}`, but takes the"
        " length of another loader for an epoch's",
        related=[(loop.heading, "this loop counts"), *places],
        hint=f"use `len({loop.over_text})`",
    )
