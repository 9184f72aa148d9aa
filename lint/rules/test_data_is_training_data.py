"""TRN605."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.data import (
    flag,
    loaders,
    name_given,
    option,
    part_of,
    passes,
    vision_class,
)
from trainlint.lint.holding import same_object
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_HELD_OUT = re.compile(r"(?:^|_)test(?:ing)?(?:_|$|set|data|loader)", re.IGNORECASE)
_TRAINING = re.compile(r"train|trn", re.IGNORECASE)


@rule("TRN605", needs=(b"train", b"split"))
def test_data_is_training_data(script: Script) -> Iterator[Finding]:
    """What is called the test set is made of the training data.

    `train=True` was left as it is in the line above: the model is tested on what it was trained on,
    and the result says nothing of new data.

    Reported where a loader that is only evaluated on, and its data, are named as a test set, the
    data says `train=True` (or `split="train"`), and another loader trains on the same data. A part
    of the training data that was split off by a sampler or a Subset is left alone, and one object
    that serves both is TRN309's.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        to_tensor = transforms.ToTensor()
        train_set = datasets.MNIST("data", train=True, transform=to_tensor)
        test_set = datasets.MNIST("data", train=True, transform=to_tensor)  # TRN605
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in DataLoader(train_set, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in DataLoader(test_set, batch_size=64):
                print((model(x).argmax(1) == y).sum())
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        to_tensor = transforms.ToTensor()
        train_set = datasets.MNIST("data", train=True, transform=to_tensor)
        test_set = datasets.MNIST("data", train=False, transform=to_tensor)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in DataLoader(train_set, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in DataLoader(test_set, batch_size=64):
                print((model(x).argmax(1) == y).sum())

    Source: the documentation of torchvision.datasets, on `train` and `split`.
    """
    for event, dataset, other in _tests_of_training_data(script) if script.whole else ():
        yield _finding(event, dataset, other)


def _tests_of_training_data(script: Script) -> Iterator[tuple[Event, Obj, Event]]:
    """The loaders that test, each with its data, and the loader that trains on the same."""
    made = list(loaders(script))
    trained = [event for event in made if any(p.trains for p in passes(script, event.result))]
    for event in made:
        dataset = option(event.result, "dataset")
        if event in trained or not isinstance(dataset, Obj) or not _says_train(dataset):
            continue
        others = [one for one in trained if _is_same_data(option(one.result, "dataset"), dataset)]
        if others and _is_called_test(event, dataset) and passes(script, event.result):
            yield event, dataset, others[0]


def _says_train(dataset: Obj) -> bool:
    """`train=True` or `split="train"`, in so many words."""
    split = dataset.kwargs.get("split")
    word = split.value if isinstance(split, Const) else None
    said = flag(dataset.kwargs.get("train")) is True or word == "train"
    return said and part_of(dataset) == "train"


def _is_same_data(other: Value | None, dataset: Obj) -> bool:
    """Whether another dataset, made anew, holds the same part of the same data."""
    if other is None or same_object(other, dataset):
        return False
    return vision_class(other) == vision_class(dataset) and part_of(other) == "train"


def _is_called_test(event: Event, dataset: Obj) -> bool:
    """Whether the loader or its data is named as a test set, and neither as a training set."""
    if option(event.result, "sampler") or option(event.result, "batch_sampler"):
        return False
    names = [name for name in (name_given(event.result), name_given(dataset)) if name]
    named = any(_HELD_OUT.search(name) for name in names)
    return named and not any(_TRAINING.search(name) for name in names)


def _finding(event: Event, dataset: Obj, other: Event) -> Finding:
    name = name_given(dataset) or name_given(event.result)
    return found(
        dataset.site or event.site,
        f"`{name}` is made of the training data, which `{name_given(other.result) or 'a loader'}`"
        " trains on",
        related=[(other.site, "it is trained on here"), (event.site, "the loader that tests")],
        hint='make it of the test data: `train=False`, or `split="test"`',
    )
