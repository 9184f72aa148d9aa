"""TRN408."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.graph import ancestors
from trainlint.lint.losses import LossCall, loss_calls
from trainlint.lint.lower.values import Obj, Seq, Value, options_of
from trainlint.lint.model import Script
from trainlint.lint.outputs import is_predicted
from trainlint.lint.rule import found, rule

_LOSSES = ("CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss")
# Made without a model, and of numbers that nobody would train on.
_LABELS = frozenset(
    f"torch.{name}" for name in ("ones", "zeros", "ones_like", "zeros_like", "full", "full_like",
                                 "randint", "arange")
)  # fmt: skip


@rule("TRN408", Severity.ERROR, needs=(b"BCE", b"ross", b"NLLLoss", b"nll_loss"))
def loss_arguments_swapped(script: Script) -> Iterator[Finding]:
    """A loss is given the labels first and the model's output second.

    These losses take the prediction first. Swapped, a cross-entropy over classes stops with an
    error of shapes or types; a binary one runs, and pulls the labels' logarithm about instead.

    Reported where the second argument comes out of a module, and the first is surely no
    prediction: what a loop takes from a loader, or a tensor of zeros, ones or integers.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
        criterion = nn.BCELoss()
        loss = criterion(torch.ones(8, 1), model(torch.randn(8, 4)))  # TRN408
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
        criterion = nn.BCELoss()
        loss = criterion(model(torch.randn(8, 4)), torch.ones(8, 1))

    Fix safety: the fix swaps the two. It changes what is trained, which is its purpose: it is
    unsafe.
    Source: the documentation of torch.nn.BCELoss and torch.nn.CrossEntropyLoss (`input`, then
    `target`).
    """
    for call in loss_calls(script, *_LOSSES):
        if call.target is not None and _is_predicted(call.target) and _is_label(call):
            yield found(
                call.event.site,
                f"`{call.name}` is given the labels first: it takes the model's output, then the"
                " labels",
                hint="swap the two",
                fix=_fix(script, call),
            )


def _fix(script: Script, call: LossCall) -> Fix | None:
    event = call.event
    if event.site.script is not script or any(arg.keyword for arg in event.args[:2]):
        return None
    one, other = event.args[:2]
    edits = script.edit(one.site.node, other.text), script.edit(other.site.node, one.text)
    if edits[0] is None or edits[1] is None:
        return None
    return Fix("Swap the two", (edits[0], edits[1]), safe=False)


def _is_predicted(value: Value) -> bool:
    return all(
        isinstance(one, Obj) and is_predicted(one) and not _is_target(one)
        for one in options_of(value)
    )


def _is_target(value: Value) -> bool:
    """Whether a model's output was made a target: cut off the graph, or a class chosen of it."""
    made = [one.qualname.rpartition(".")[2] for one in ancestors(value) if isinstance(one, Obj)]
    return not _TARGETS.isdisjoint(made)


def _is_label(call: LossCall) -> bool:
    """Whether the first argument is surely made by no model."""
    value: Value = call.input
    while isinstance(value, Obj) and value.qualname in _CASTS and value.args:
        value = value.args[0]
    if isinstance(value, Obj):
        if value.changed or "requires_grad" in value.kwargs:
            return False
        literal = value.qualname == "torch.tensor" and isinstance(value.args[0], Seq)
        return literal or value.qualname in _LABELS
    loops = [loop for loop in call.event.loops if value.varies and loop in value.varies]
    loaders = [loop for loop in loops if isinstance(loop.over, Obj) and loop.over.kind == "loader"]
    return type(value) is Value and bool(loaders)


_TARGETS = frozenset({"argmax", "detach", "max", "multinomial", "round", "topk"})
_CASTS = ("Tensor.long", "Tensor.float", "Tensor.unsqueeze", "Tensor.squeeze", "Tensor.view",
          "Tensor.reshape", "Tensor.type")  # fmt: skip
