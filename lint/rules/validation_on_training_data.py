"""TRN309."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.evaluation import Evaluation, dataset_of, evaluations, is_loader
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Loop, Script
from trainlint.lint.modes import training_of
from trainlint.lint.rule import found, rule

# What a loop or function is called whose numbers are taken for those of unseen data.
_HELD_OUT = re.compile(
    r"(?:^|[_.])(val|valid|validat(e|ion)|test(ing)?|dev)(?:[_.]|loader|$)", re.IGNORECASE
)
_SAMPLERS = ("sampler", "batch_sampler")


@rule("TRN309", needs=(b"DataLoader",))
def validation_on_training_data(script: Script) -> Iterator[Finding]:
    """A model is validated on the data that it is trained on.

    The numbers then tell how well it remembers, not how well it will do: overfitting cannot be
    seen in them. Mostly a name was copied and not changed.

    Reported where the loop that validates runs over the very loader, or the whole dataset, of the
    training, calls itself a validation or test, and the script evaluates on nothing else. The
    accuracy on the training data beside that on other data is right.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        train_set = TensorDataset(torch.randn(80, 4), torch.randn(80, 1))
        train_loader = DataLoader(train_set, batch_size=8, shuffle=True)
        val_loader = DataLoader(train_set, batch_size=8)
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in val_loader:  # TRN309
                print(nn.functional.mse_loss(model(x), y))
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        train_set = TensorDataset(torch.randn(80, 4), torch.randn(80, 1))
        val_set = TensorDataset(torch.randn(20, 4), torch.randn(20, 1))
        train_loader = DataLoader(train_set, batch_size=8, shuffle=True)
        val_loader = DataLoader(val_set, batch_size=8)
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in val_loader:
                print(nn.functional.mse_loss(model(x), y))

    Source: the scikit-learn user guide, "Cross-validation: evaluating estimator performance".
    """
    trained_on = _trained_on(script)
    found_evaluations = list(evaluations(script))
    for one in found_evaluations:
        training = trained_on.get(one.module)
        if training is None or not _calls_itself_held_out(one) or _speaks_of_training(one):
            continue
        others = [other for other in found_evaluations if not _is_same(other.loop, training)]
        if not others and _is_same(one.loop, training):
            yield _finding(one, training)


def _trained_on(script: Script) -> dict[Value, Loop]:
    """The loop over a loader that trains each module."""
    return {
        module: loop
        for update, module in training_of(script)
        for loop in update.step.loops
        if is_loader(loop.over)
    }


def _is_same(loop: Loop, training: Loop) -> bool:
    """Whether two loops run over one loader, or over all of one dataset."""
    if loop.over is training.over:
        return True
    one, other = _whole_dataset(loop.over), _whole_dataset(training.over)
    return one is not None and one is other


def _whole_dataset(over: Value) -> Value | None:
    if not isinstance(over, Obj) or any(name in over.kwargs for name in _SAMPLERS):
        return None
    dataset = dataset_of(over) if len(over.args) < 4 else None
    return dataset if isinstance(dataset, Obj) and dataset.kind == "dataset" else None


def _calls_itself_held_out(one: Evaluation) -> bool:
    functions = [node for node in one.forward.functions if isinstance(node, cst.FunctionDef)]
    names = [one.loop.over_text, *(node.name.value for node in functions[-1:])]
    return any(_HELD_OUT.search(name) for name in names)


def _speaks_of_training(one: Evaluation) -> bool:
    """Whether what is printed or logged afterwards calls it the training's."""
    later = one.trace.events[one.index :]
    texts = [
        arg.text.lower()
        for event in later
        for arg in event.args
        if event.functions == one.forward.functions and arg.text[:2].strip("frb")[:1] in ("'", '"')
    ]
    return any("train" in text for text in texts)


def _finding(one: Evaluation, training: Loop) -> Finding:
    return found(
        one.loop.heading,
        f"`{one.loop.over_text}` holds the data that the model is trained on: this is no"
        " validation",
        related=[(training.heading, "here it is trained on them")],
        hint="use data that the training does not see",
    )
