"""TRN603."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.data import Pass, flag, loaders, option, passes
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import given
from trainlint.lint.rule import found, rule

_SAMPLER = "torch.utils.data.DistributedSampler"


@rule("TRN603", needs=(b"DistributedSampler",))
def sampler_without_set_epoch(script: Script) -> Iterator[Finding]:
    """A DistributedSampler is never told its epoch, so that each epoch has the same order.

    A DistributedSampler shuffles by its seed and the epoch that `set_epoch` tells it. Without the
    call, the epoch stays 0 and all epochs go through the data in one order.

    Reported for a loader that is trained on in a loop over epochs where neither the script, nor
    a file whose code runs in that loop, mentions `set_epoch`; and not with `shuffle=False`.

    Bad:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        from torch.utils.data.distributed import DistributedSampler

        def train(model, optimizer, epochs):
            data = TensorDataset(torch.randn(100, 4), torch.randn(100, 1))
            sampler = DistributedSampler(data)  # TRN603
            loader = DataLoader(data, batch_size=8, sampler=sampler)
            for epoch in range(epochs):
                for x, y in loader:
                    optimizer.zero_grad()
                    nn.functional.mse_loss(model(x), y).backward()
                    optimizer.step()
    Good:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        from torch.utils.data.distributed import DistributedSampler

        def train(model, optimizer, epochs):
            data = TensorDataset(torch.randn(100, 4), torch.randn(100, 1))
            sampler = DistributedSampler(data)
            loader = DataLoader(data, batch_size=8, sampler=sampler)
            for epoch in range(epochs):
                sampler.set_epoch(epoch)
                for x, y in loader:
                    optimizer.zero_grad()
                    nn.functional.mse_loss(model(x), y).backward()
                    optimizer.step()

    Source: the documentation of torch.utils.data.distributed.DistributedSampler (its warning on
    `set_epoch`).
    """
    if not script.whole or "set_epoch" in script.source.code:
        return
    for event in loaders(script):
        sampler = option(event.result, "sampler")
        if sampler is None or not _shuffles(sampler) or not isinstance(sampler, Obj):
            continue
        for one in passes(script, event.result):
            if one.trains and one.outer and not _tells(one):
                yield _finding(event, sampler, one)
                break


def _shuffles(sampler: Value) -> bool:
    if not isinstance(sampler, Obj) or sampler.qualname != _SAMPLER:
        return False
    return flag(given(sampler, 3, "shuffle")) is not False


def _tells(one: Pass) -> bool:
    """Whether a file whose code runs in the loops mentions `set_epoch`."""
    around = [event for event in one.trace.events if one.outer[0] in event.loops]
    scripts = {site.script for event in around for site in (event.site, *event.path)}
    return any("set_epoch" in script.source.code for script in scripts)


def _finding(event: Event, sampler: Obj, one: Pass) -> Finding:
    return found(
        sampler.site or event.site,
        "nothing tells this sampler its epoch (`set_epoch`): all epochs go through the data in the"
        " same order",
        related=[
            (event.site, "its loader"),
            (one.outer[-1].heading, "the loop over epochs"),
        ],
        hint="call `sampler.set_epoch(epoch)` at the start of each epoch",
    )
