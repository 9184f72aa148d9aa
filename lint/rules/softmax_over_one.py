"""TRN416."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Event, Script
from trainlint.lint.outputs import Operation, last_operations, related_to, softmax_axis, width
from trainlint.lint.rule import found, rule
from trainlint.lint.shapes import number, shape


@rule("TRN416", Severity.ERROR, needs=(b"oftmax",))
def softmax_over_one(script: Script) -> Iterator[Finding]:
    """A softmax over a single output is always 1.

    Softmax divides each number by the sum over its axis; where the axis holds one number, that is
    1, whatever the model says, and no gradient comes back. One output wants a sigmoid.

    A softmax of scores along a sequence, on another axis than the layer's outputs, is right.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        probability = torch.softmax(model(torch.randn(8, 4)), dim=-1)  # TRN416
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        probability = torch.sigmoid(model(torch.randn(8, 4)))

    Source: the definition of softmax, in the documentation of torch.nn.Softmax.
    """
    for event in script.events("call", "method", "forward"):
        for outer in last_operations(event.result):
            if outer.value is event.result and outer.name in ("softmax", "log_softmax"):
                layer = _only_output(outer)
                if layer is not None:
                    yield _finding(event, outer, layer)


def _only_output(outer: Operation) -> Operation | None:
    """The layer with one output that a softmax runs over."""
    operation = outer.follows("linear")
    if operation is None or outer.value is None or width(operation) != 1:
        return None
    axis = number(softmax_axis(outer))
    last = axis == -1 or (axis == 1 and shape(outer.value).rank == 2)
    return operation if last else None


def _finding(event: Event, outer: Operation, layer: Operation) -> Finding:
    return found(
        event.site,
        f"the {outer.name} runs over a single output: it is {_always(outer)}, whatever the model"
        " says",
        related=related_to(layer, "the only output"),
        hint="use a sigmoid for one output, or two outputs",
    )


def _always(outer: Operation) -> str:
    return "always 1" if outer.name == "softmax" else "always 0"
