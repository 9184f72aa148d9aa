"""TRN912."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const, Obj, Seq, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

# These hold their data in memory: workers would only send it to and fro.
_IN_MEMORY = ("torch.utils.data.TensorDataset",)


@rule("TRN912", Severity.INFO, needs=(b"DataLoader",))
def no_loader_workers(script: Script) -> Iterator[Finding]:
    """A training loader loads its data in the training process.

    With `num_workers=0`, which is the default, the GPU waits while each batch is read, decoded and
    augmented. Workers prepare the next batches meanwhile.

    Only loaders that the training loop runs over are named, and none whose data is in memory.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import ToTensor

        loader = DataLoader(ImageFolder("data", ToTensor()), batch_size=8, shuffle=True)  # TRN912
        model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import ToTensor

        data = ImageFolder("data", ToTensor())
        loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=4)
        model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

    Source: the PyTorch recipe "Performance Tuning Guide", section "Enable asynchronous data
    loading and augmentation".
    """
    trained = {loop.over for event in script.events("backward") for loop in event.loops}
    for event in script.events("make"):
        loader = event.result
        if event.callee != "torch.utils.data.DataLoader" or loader not in trained:
            continue
        if not event.starred and _has_no_workers(event) and not _in_memory(event):
            yield found(
                event.site,
                "this loader has no workers: training waits while each batch is loaded",
                hint="give it `num_workers`, as many as there are cores to spare",
            )


def _has_no_workers(event: Event) -> bool:
    given = event.argument(5, "num_workers")
    return given is None or (isinstance(given.value, Const) and given.value.value == 0)


def _in_memory(event: Event) -> bool:
    given = event.argument(0, "dataset")
    return given is None or _holds_tensors(given.value)


def _holds_tensors(data: Value) -> bool:
    """Whether data is in memory, or not known."""
    if isinstance(data, Obj) and data.kind == "dataset":
        inner = data.args[0] if data.args and data.qualname.endswith("Subset") else None
        return data.qualname in _IN_MEMORY or (inner is not None and _holds_tensors(inner))
    return isinstance(data, Seq) or not isinstance(data, Obj)
