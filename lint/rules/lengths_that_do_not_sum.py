"""TRN616."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.data import flag, part_of, vision_class
from trainlint.lint.lower.values import Obj, Seq, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import given, number
from trainlint.lint.rule import found, rule

# Examples in the training and in the test part.
_SIZES = {
    "MNIST": (60_000, 10_000), "FashionMNIST": (60_000, 10_000), "KMNIST": (60_000, 10_000),
    "CIFAR10": (50_000, 10_000), "CIFAR100": (50_000, 10_000),
}  # fmt: skip


@rule("TRN616", Severity.ERROR, needs=(b"random_split",))
def lengths_that_do_not_sum(script: Script) -> Iterator[Finding]:
    """The lengths given to random_split do not sum to the length of the data.

    `random_split` raises a ValueError unless its lengths sum to the number of examples, or, as
    fractions, to 1.

    Reported for constant fractions, and for constant lengths of data whose number of examples is
    fixed.

    Bad:
        import torch
        from torch.utils.data import random_split
        from torchvision import datasets

        data = datasets.MNIST("data", train=True)
        train_set, val_set = random_split(data, [50000, 5000])  # TRN616
        first, second = random_split(data, [0.8, 0.1])  # TRN616
    Good:
        import torch
        from torch.utils.data import random_split
        from torchvision import datasets

        data = datasets.MNIST("data", train=True)
        train_set, val_set = random_split(data, [55000, 5000])
        first, second = random_split(data, [0.9, 0.1])

    Source: torch.utils.data.random_split, which raises on other sums.
    """
    for event in script.events("call"):
        lengths = event.argument(1, "lengths")
        if event.callee != "torch.utils.data.random_split" or lengths is None:
            continue
        numbers = _numbers(lengths.value)
        data = event.argument(0, "dataset")
        wrong = _wrong(numbers, data.value if data is not None else None) if numbers else None
        if wrong is not None:
            yield _finding(event, wrong)


def _numbers(lengths: Value) -> list[float]:
    if not isinstance(lengths, Seq):
        return []
    found_numbers = [number(item) for item in lengths.items]
    known = [one for one in found_numbers if one is not None]
    return known if len(known) == len(found_numbers) else []


def _wrong(numbers: list[float], data: Value | None) -> str | None:
    total = sum(numbers)
    if all(0 < one < 1 for one in numbers):
        return None if math.isclose(total, 1) else f"{total:g} instead of 1"
    size = _size(data)
    whole = all(one.is_integer() for one in numbers)
    if size is None or not whole or math.isclose(total, 1) or total == size:
        return None
    return f"{total:.0f}, but there are {size} examples"


def _size(data: Value | None) -> int | None:
    name = vision_class(data)
    if name not in _SIZES or data is None or not isinstance(data, Obj):
        return None
    if flag(given(data, 1, "train")) is None and given(data, 1, "train") is not None:
        return None
    return _SIZES[name][part_of(data) != "train"]


def _finding(event: Event, wrong: str) -> Finding:
    return found(
        event.site,
        f"the lengths sum to {wrong}: `random_split` raises a ValueError",
        hint="let the lengths sum to the length of the data, or give fractions that sum to 1",
    )
