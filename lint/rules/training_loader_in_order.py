"""TRN601."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding, Fix
from trainlint.lint.data import flag, is_ordered, loaders, option, part_of, passes, vision_class
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Const, Expr, Obj, Value
from trainlint.lint.model import Event, Loop, Script
from trainlint.lint.rule import found, rule

# What a script may shuffle its data by.
_SHUFFLES = re.compile(r"shuffle\(|permutation|randperm|random_split|sample\(|Sampler|argsort")


@rule("TRN601", needs=(b"DataLoader",))
def training_loader_in_order(script: Script) -> Iterator[Finding]:
    """A loader that is trained on goes through its data in the same order each epoch.

    Without `shuffle=True` each epoch sees the same batches in the same order, and where the data is
    sorted by class, as in a folder of images, each batch holds one class only: batch norms and
    gradients follow the order instead of the data.

    Reported where the order is known: torchvision's training sets and image folders, a plain range
    of them, and tensors that rise evenly. Samplers, options that are not seen, random data, and
    anything in the script that shuffles, silence it; so does a loader of one batch, and one pass
    over a set that is mixed already, as MNIST is.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        train_set = datasets.ImageFolder("train", transform=transforms.ToTensor())
        loader = DataLoader(train_set, batch_size=32)  # TRN601
        model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        train_set = datasets.ImageFolder("train", transform=transforms.ToTensor())
        loader = DataLoader(train_set, batch_size=32, shuffle=True)
        model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    Fix safety: the fix adds `shuffle=True`, or turns `shuffle=False` into it. Training changes with
    it, which is its purpose: it is unsafe.
    Source: the documentation of torch.utils.data.DataLoader, on `shuffle`.
    """
    if not script.whole or _SHUFFLES.search(script.source.code):
        return
    for event in loaders(script):
        if not _is_in_order(event):
            continue
        mixed = part_of(_whole(option(event.result, "dataset") or Value())) is not None
        trained = (one for one in passes(script, event.result) if one.trains)
        # The order of data that is mixed already does no harm in a single pass.
        again = (one for one in trained if one.outer or not mixed)
        one = next((one for one in again if not one.loop.leaves_at_once), None)
        if one is not None:
            yield _finding(script, event, one.loop)


def _whole(dataset: Value) -> Value:
    """The data that a Subset is taken of."""
    if isinstance(dataset, Obj) and dataset.qualname.endswith(".Subset") and dataset.args:
        return dataset.args[0]
    return dataset


def _is_in_order(event: Event) -> bool:
    loader, shuffle = event.result, option(event.result, "shuffle")
    if shuffle is not None and flag(shuffle) is not False:
        return False
    if option(loader, "sampler") or option(loader, "batch_sampler"):
        return False
    batch = option(loader, "batch_size")
    whole = batch is not None and any(
        isinstance(part, Expr) and part.op == "builtins.len" for part in ancestors(batch)
    )
    return not whole and is_ordered(option(loader, "dataset"))


def _finding(script: Script, event: Event, loop: Loop) -> Finding:
    dataset = option(event.result, "dataset")
    name = vision_class(dataset)
    kind = f"this {name}" if name else "this data"
    site = dataset.site if isinstance(dataset, Obj) else None
    data = [(site, "the data")] if site is not None else []
    return found(
        event.site,
        f"the loader goes through {kind} in the same order each epoch, and it is trained on",
        related=[(loop.heading, "here it is trained on"), *data],
        hint="add `shuffle=True`",
        fix=_fix(script, event),
    )


def _fix(script: Script, event: Event) -> Fix | None:
    for arg in event.args:
        if arg.keyword == "shuffle" and isinstance(arg.value, Const):
            edit = script.edit(arg.site.node, "True")
            return None if edit is None else Fix("Shuffle", (edit,), safe=False)
    if option(event.result, "shuffle") is not None or not event.args:
        return None
    last = event.args[-1]
    edit = script.edit(last.site.node, f"{last.text}, shuffle=True")
    return None if edit is None else Fix("Shuffle", (edit,), safe=False)
