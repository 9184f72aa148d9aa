"""TRN310."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.evaluation import batches_of, runs_over_data
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Bound, Expr, Obj, Value
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.rule import found, rule


@rule("TRN310", needs=(b"len(",))
def validation_loss_over_train_length(script: Script) -> Iterator[Finding]:
    """A sum over one loader's batches is divided by the length of another.

    The mean that is printed is off by the ratio of the two lengths: a validation loss divided by
    the length of the training loader looks several times too good, and so does an accuracy.

    Reported where the sum is made of batches of one loader alone, the divisor is the length of
    another one, and just one of the two is trained on.

    Bad:
        import torch
        from torch import nn

        def fit(model: nn.Module, optimizer: torch.optim.SGD, train_loader, val_loader):
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
            total = 0.0
            with torch.no_grad():
                for x, y in val_loader:
                    total += nn.functional.mse_loss(model(x), y).item()
            print(total / len(train_loader))  # TRN310
    Good:
        import torch
        from torch import nn

        def fit(model: nn.Module, optimizer: torch.optim.SGD, train_loader, val_loader):
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
            total = 0.0
            with torch.no_grad():
                for x, y in val_loader:
                    total += nn.functional.mse_loss(model(x), y).item()
            print(total / len(val_loader))

    Source: the definition of the arithmetic mean; torch.utils.data.DataLoader on `len`.
    """
    for trace in script.traces:
        loops = {loop for event in trace.events for loop in event.loops if loop.kind == "for"}
        for event in trace.events:
            if event.kind == "average":
                summed = _summed_over(event)
                counted = _counted(event.args[1].value)
                if summed is not None and _are_mixed(trace, loops, summed, counted):
                    yield _finding(event, summed)


def _summed_over(event: Event) -> Loop | None:
    """The one loop over data whose batches went into the dividend."""
    dividend = event.args[0].value
    if any(isinstance(one, Expr) and one.op == "builtins.len" for one in ancestors(dividend)):
        return None  # a length has its part in it already
    loops = {loop for loop in batches_of(dividend) if runs_over_data(loop)}
    overs = {loop.over for loop in loops}
    inside = any(loop in event.loops for loop in loops)
    return next(iter(loops)) if len(overs) == 1 and not inside else None


def _counted(length: Value) -> Value | None:
    """What the divisor is the length of; the dataset of a loader counts as the loader."""
    while isinstance(length, Expr) and length.op in ("builtins.float", "builtins.len"):
        length = length.parts[0]
    if isinstance(length, Bound) and length.name == "dataset":
        length = length.receiver
    return length if _is_plain(length) else None


def _is_plain(value: Value) -> bool:
    """A loader, or a parameter or attribute that may be one."""
    if isinstance(value, Obj):
        return value.kind == "loader"
    return type(value) is Value or isinstance(value, Bound)


def _are_mixed(trace: Trace, loops: set[Loop], summed: Loop, counted: Value | None) -> bool:
    if counted is None or summed.over is counted or not _is_plain(summed.over):
        return False
    others = [loop for loop in loops if loop.over is counted]
    trained = {loop for event in trace.events if event.kind == "backward" for loop in event.loops}
    return bool(others) and (summed in trained) != any(loop in trained for loop in others)


def _finding(event: Event, summed: Loop) -> Finding:
    dividend, length = event.args
    return found(
        event.site,
        f"`{dividend.text}` is a sum over `{summed.over_text}`, and is divided by `{length.text}`",
        related=[(summed.heading, "the loop that it is summed in")],
        hint=f"divide by the length of `{summed.over_text}`",
    )
