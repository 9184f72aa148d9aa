"""TRN417."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.model import Script
from trainlint.lint.outputs import last_operations, related_to, surely
from trainlint.lint.rule import found, rule

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

    Source: the definition of softmax; the documentation of torch.nn.Softmax.
    """
    for event in script.events("call", "method", "forward"):
        for outer in last_operations(event.result):
            if outer.name not in _TWICE or outer.value is not event.result or not outer.args:
                continue
            inner = surely(outer.args[0], *_TWICE[outer.name])
            if inner is not None:
                yield found(
                    event.site,
                    f"a {outer.name} is taken of what is the output of a {inner.name} already",
                    related=related_to(inner, f"the first {inner.name}"),
                    hint="take one of them out",
                )
