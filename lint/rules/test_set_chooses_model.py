"""TRN311."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.evaluation import batches_of, dataset_of
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Event, Loop, Script
from trainlint.lint.rule import found, rule


@rule("TRN311", Severity.INFO, needs=(b"train=False", b'"test"', b"'test'"))
def test_set_chooses_model(script: Script) -> Iterator[Finding]:
    """The result on the test set decides which model is kept.

    Of many epochs, the one is chosen that happens to fit the test set best: what is then reported
    on it is too good. Choose on a part of the training data, and look at the test set once.

    Widespread in tutorials and in research code, so this is advice, off by default.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision.datasets import MNIST

        test_loader = DataLoader(MNIST("data", train=False), batch_size=8)
        model, best = nn.Linear(784, 10), 0.0
        for epoch in range(10):
            right = 0.0
            for x, y in test_loader:
                right += (model(x.flatten(1)).argmax(1) == y).sum().item()
            if right > best:
                best = right
                torch.save(model.state_dict(), "best.pt")  # TRN311
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, random_split
        from torchvision.datasets import MNIST

        train_set, val_set = random_split(MNIST("data", train=True), [55000, 5000])
        val_loader = DataLoader(val_set, batch_size=8)
        model, best = nn.Linear(784, 10), 0.0
        for epoch in range(10):
            right = 0.0
            for x, y in val_loader:
                right += (model(x.flatten(1)).argmax(1) == y).sum().item()
            if right > best:
                best = right
                torch.save(model.state_dict(), "best.pt")

    Source: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 7.2.
    """
    for event in script.events("save"):
        loop = _deciding_loop(event)
        if loop is not None and event.loops:
            yield found(
                event.site,
                "the test set decides which model is kept",
                related=[(loop.heading, "the loop over the test set")],
                hint="choose on a validation set, split off the training data",
            )


def _deciding_loop(event: Event) -> Loop | None:
    for condition in event.conditions:
        for loop in batches_of(condition.value):
            if _is_test_set(loop.over):
                return loop
    return None


def _is_test_set(over: Value) -> bool:
    """A loader of a torchvision dataset's test part."""
    if not isinstance(over, Obj) or over.kind != "loader":
        return False
    dataset = dataset_of(over)
    if not isinstance(dataset, Obj) or not dataset.qualname.startswith("torchvision.datasets."):
        return False
    part = dataset.kwargs.get("train") or dataset.kwargs.get("split")
    part = part or (dataset.args[1] if len(dataset.args) > 1 else None)
    return isinstance(part, Const) and (part.value is False or part.value == "test")
