"""TRN602."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.data import flag, loaders, option, surely_given
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import number
from trainlint.lint.rule import found, rule

_ITERABLE = {"torch.utils.data.IterableDataset", "torch.utils.data.dataset.IterableDataset"}


@rule("TRN602", Severity.ERROR, needs=(b"DataLoader",))
def shuffle_with_sampler(script: Script) -> Iterator[Finding]:
    """A loader is given options that exclude each other: shuffle and a sampler.

    A sampler decides the order by itself. With `shuffle=True` beside it DataLoader raises a
    ValueError, and so it does for a batch sampler beside a batch size, and for shuffling an
    IterableDataset, which has no order to change.

    Nothing is said where the sampler may be None by the path taken.

    Bad:
        import torch
        from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

        data = TensorDataset(torch.randn(100, 4))
        sampler = SubsetRandomSampler(range(80))
        loader = DataLoader(data, batch_size=8, shuffle=True, sampler=sampler)  # TRN602
    Good:
        import torch
        from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

        data = TensorDataset(torch.randn(100, 4))
        sampler = SubsetRandomSampler(range(80))
        loader = DataLoader(data, batch_size=8, sampler=sampler)

    Source: the documentation of torch.utils.data.DataLoader: "If specified, shuffle must not be
    specified".
    """
    for event in loaders(script):
        wrong = _excluded(event.result)
        if wrong is not None:
            yield _finding(event, wrong)


def _excluded(loader: Value) -> str | None:
    """What excludes what, in words; None where nothing does."""
    shuffled = flag(option(loader, "shuffle")) is True
    if shuffled and surely_given(option(loader, "sampler")):
        return "`shuffle=True` and a sampler exclude each other"
    if surely_given(option(loader, "batch_sampler")):
        size = number(option(loader, "batch_size"))
        if shuffled or (size is not None and size > 1) or flag(option(loader, "drop_last")):
            return "a batch sampler excludes `batch_size`, `shuffle`, `sampler` and `drop_last`"
    if shuffled and _is_iterable(option(loader, "dataset")):
        return "an IterableDataset cannot be shuffled by its loader"
    return None


def _is_iterable(dataset: Value | None) -> bool:
    if not isinstance(dataset, Obj) or dataset.cls is None:
        return False
    return bool(_ITERABLE & set(dataset.cls.roots()))


def _finding(event: Event, wrong: str) -> Finding:
    return found(
        event.site,
        f"{wrong}: this raises a ValueError",
        hint="leave out the one or the other",
    )
