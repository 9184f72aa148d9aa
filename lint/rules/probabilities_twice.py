"""TRN417."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.model import Script
from trainlint.lint.outputs import Operation, last_operations, related_to, softmax_axis, surely
from trainlint.lint.rule import found, rule
from trainlint.lint.shapes import number, shape

# A second softmax of logarithms is harmless: it gives the probabilities back.
_TWICE = {"softmax": ("softmax",), "sigmoid": ("sigmoid",), "log_softmax": ("softmax",)}


@rule("TRN417", needs=(b"oftmax", b"igmoid"))
def probabilities_twice(script: Script) -> Iterator[Finding]:
    """A softmax is taken of a softmax, or a sigmoid of a sigmoid.

    The model's output is turned into probabilities already. Done once more, they are pressed
    together: a certain prediction of ten classes comes out as 23 %.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
        probabilities = torch.softmax(model(torch.randn(8, 4)), dim=1)  # TRN417
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 3)
        probabilities = torch.softmax(model(torch.randn(8, 4)), dim=1)

    Silent where the two run over different axes, or may: that is a normalization of a matrix by
    rows and columns.

    Source: the definition of softmax; the documentation of torch.nn.Softmax.
    """
    for event in script.events("call", "method", "forward"):
        for outer in last_operations(event.result):
            if outer.name not in _TWICE or outer.value is not event.result or not outer.args:
                continue
            inner = surely(outer.args[0], *_TWICE[outer.name])
            if inner is not None and _over_one_axis(outer, inner):
                yield found(
                    event.site,
                    f"a {outer.name} is taken of what is the output of a {inner.name} already",
                    related=related_to(inner, f"the first {inner.name}"),
                    hint="take one of them out",
                )


def _over_one_axis(outer: Operation, inner: Operation) -> bool:
    if outer.name == "sigmoid":
        return True
    return not inner.reshaped and _axis(outer) == _axis(inner)


def _axis(operation: Operation) -> object:
    """The axis, counted from the front where the rank is known; None where none is given."""
    axis = softmax_axis(operation)
    place = number(axis)
    if place is None:
        return axis  # a variable is one axis, another variable may be another
    rank = shape(operation.value).rank if operation.value is not None else None
    return place + rank if place < 0 and rank is not None else place
