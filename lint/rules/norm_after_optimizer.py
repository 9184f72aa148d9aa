"""TRN809."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.holding import is_private, may_be
from trainlint.lint.leaving import caught
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.norms import exchanged_layers, exchanges, layer_of
from trainlint.lint.optimizers import (
    holders,
    is_torch_optimizer,
    parameter_parts,
    parents_of,
)
from trainlint.lint.rule import found, rule
from trainlint.lint.training import unconditional


@rule("TRN809", Severity.ERROR, needs=(b"weight_norm", b"remove_spectral_norm"))
def norm_after_optimizer(script: Script) -> Iterator[Finding]:
    """Weight norm replaces a layer's parameters after the optimizer was made of them.

    `weight_norm`, old or new, takes the weight away and makes two new parameters of it; removing it
    makes a new weight again, and so does `remove_spectral_norm`. The optimizer goes on with those
    that are gone: the layer's weight is never trained.

    Spectral norm and other parametrizations keep the parameter, and are left alone. Nothing is said
    where a group is added, a new optimizer is made, or unseen code is handed the optimizer.

    Bad:
        import torch
        from torch import nn
        from torch.nn.utils.parametrizations import weight_norm

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        weight_norm(model)  # TRN809
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn
        from torch.nn.utils.parametrizations import weight_norm

        model = weight_norm(nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()

    Source: the sources of torch.nn.utils.weight_norm and parametrize; which functions replace a
    parameter was measured with torch 2.13.
    """
    if not script.whole:
        return
    parents = _parents(script)
    for trace in script.traces:
        for index, event in enumerate(trace.events):
            if event.kind == "make" and is_torch_optimizer(event.result):
                for change, layer in _changes(trace, index, event, parents):
                    if is_private(script, event):
                        yield _finding(event, change, layer)


def _parents(script: Script) -> dict[Value, set[Value]]:
    """What each layer is a part of: the object that has it as an attribute, a Sequential."""
    parents = parents_of(script)
    for event in script.events("make"):
        made = event.result
        if isinstance(made, Obj) and made.qualname == "torch.nn.Sequential":
            for layer in map(layer_of, made.args):
                if layer is not None:
                    parents.setdefault(layer, set()).add(made)
    return parents


def _changes(
    trace: Trace, index: int, made: Event, parents: dict[Value, set[Value]]
) -> Iterator[tuple[Event, Obj]]:
    """What replaces parameters of the optimizer's after it was made, and before it is stepped."""
    given = made.argument(0, "params")
    parts = parameter_parts(given.value) if given is not None else ()
    owners = {layer_of(module) or module for module, _ in parts}
    later = trace.events[index + 1 :]
    if not owners or any(_makes_up_for_it(event) for event in later):
        return
    steps = [one.kind == "step" and may_be(one.receiver, made.result) for one in later]
    for place, event in enumerate(later):
        if not exchanges(event) or event.loops != made.loops or not any(steps[place:]):
            continue
        if unconditional(event, made) and not caught(event):
            for layer in exchanged_layers(trace, event):
                if holders(layer, parents) & owners:
                    yield event, layer


def _makes_up_for_it(event: Event) -> bool:
    """Whether an event gives the new parameters an optimizer."""
    if event.callee == "add_param_group":
        return True
    made = event.result if event.kind == "make" else None
    return isinstance(made, Obj) and made.kind == "optimizer"


def _finding(made: Event, change: Event, layer: Obj) -> Finding:
    what = change.callee.rpartition(".")[2]
    name = layer.qualname.rpartition(".")[2]
    related = [(made.site, "the optimizer holds the parameters that it had here")]
    related += [] if layer.site is None else [(layer.site, f"the `{name}` is made here")]
    return found(
        change.site,
        f"`{what}` makes new parameters of the layer's weight, and the optimizer keeps the old:"
        " the weight is never trained",
        related=related,
        hint=f"call `{what}` first, and make the optimizer afterwards",
    )
