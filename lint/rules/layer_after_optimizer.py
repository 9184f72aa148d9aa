"""TRN508."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.holding import is_private, may_be, same_object
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.optimizers import is_torch_optimizer, owner_of, parameter_parts
from trainlint.lint.rule import found, rule
from trainlint.lint.training import unconditional

# Layers of torch.nn that surely have parameters.
_LAYERS = ("Linear", "Bilinear", "Embedding", "EmbeddingBag", "LSTM", "GRU", "RNN", "LSTMCell",
           "GRUCell", "RNNCell", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d",
           "ConvTranspose2d", "ConvTranspose3d", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d",
           "LayerNorm", "GroupNorm", "MultiheadAttention", "Transformer",
           "TransformerEncoderLayer", "TransformerDecoderLayer")  # fmt: skip


@rule("TRN508", needs=(b"nn.", b"import nn"))
def layer_after_optimizer(script: Script) -> Iterator[Finding]:
    """A layer of the model is replaced after the optimizer was made of the model's parameters.

    An optimizer holds the parameters that the model had when it was made. A layer that is put into
    the model later is in no optimizer: it is never trained, while the layer that it replaced is.

    Reported where the new layer surely has parameters, and the optimizer is stepped afterwards. A
    group that is added, a new optimizer, or unseen code that is handed the optimizer silence it.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model[2] = nn.Linear(8, 1)  # TRN508
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        model[2] = nn.Linear(8, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()

    Source: the documentation of torch.optim, "Constructing it", on the parameters that it is given.
    """
    if not script.whole:
        return
    for trace in script.traces:
        for index, event in enumerate(trace.events):
            if event.kind == "make" and is_torch_optimizer(event.result):
                for change in _changes(trace, index, event):
                    if is_private(script, event):
                        yield _finding(event, change)


def _changes(trace: Trace, index: int, made: Event) -> Iterator[Event]:
    """The layers put into the optimizer's modules after it was made, and before it is stepped."""
    given = made.argument(0, "params")
    owners = [module for module, _ in parameter_parts(given.value)] if given is not None else []
    later = trace.events[index + 1 :]
    if not owners or any(_makes_up_for_it(event, made) for event in later):
        return
    fresh: set[Value] = set()
    for place, event in enumerate(later):
        if event.kind == "make":
            fresh.add(event.result)
        if event.kind not in ("set_attribute", "set_item") or event.loops != made.loops:
            continue
        if not _is_part(event.receiver, owners) or not _is_new_layer(event.result, fresh):
            continue
        stepped = any(
            one.kind == "step" and may_be(one.receiver, made.result) for one in later[place:]
        )
        if stepped and unconditional(event, made):
            yield event


def _makes_up_for_it(event: Event, made: Event) -> bool:
    """Whether an event gives the new layer an optimizer."""
    if event.callee == "add_param_group":
        return True
    if event.kind != "make" or not isinstance(event.result, Obj):
        return False
    return event.result.kind == "optimizer" and event.result is not made.result


def _is_part(receiver: Value, owners: list[Value]) -> bool:
    """Whether a receiver is one of the modules, or what an attribute of one holds."""
    value: Value | None = receiver
    while value is not None:
        if any(same_object(value, owner) for owner in owners):
            return isinstance(value, Obj) and value.kind == "module"
        value = owner_of(value)
    return False


def _is_new_layer(value: Value, fresh: set[Value]) -> bool:
    """Whether a layer that has parameters, or one in a Sequential, was made after the optimizer."""
    if not isinstance(value, Obj) or value.kind != "module" or value.cls is not None:
        return False
    name = value.qualname.removeprefix("torch.nn.")
    if name == "Sequential":
        return any(_is_new_layer(layer, fresh) for layer in value.args)
    return name in _LAYERS and value in fresh


def _finding(made: Event, change: Event) -> Finding:
    name = change.site.text
    return found(
        change.site,
        f"`{name}` is replaced after the optimizer was made: the new layer is in no optimizer, and"
        " is never trained",
        related=[(made.site, "the optimizer holds the parameters that the model had here")],
        hint="replace the layer first, and make the optimizer afterwards",
    )
