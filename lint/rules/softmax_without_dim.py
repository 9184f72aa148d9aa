"""TRN410."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_LAYERS = ("torch.nn.Softmax", "torch.nn.LogSoftmax", "torch.nn.Softmin")
_FUNCTIONS = tuple(f"torch.nn.functional.{one}" for one in ("softmax", "log_softmax", "softmin"))


@rule("TRN410", confidence=Confidence.MEDIUM, needs=(b"oftmax", b"oftmin"))
def softmax_without_dim(script: Script) -> Iterator[Finding]:
    """A softmax is not told which axis to sum to 1 over.

    torch then guesses: axis 0 for one or three axes, else axis 1. For a batch of sequences that is
    the batch, and samples compete with one another. torch warns of it at each run, and has marked
    the guess as deprecated.

    Off by default: of two axes torch guesses the right one, and how many there are is seldom seen.

    Bad:
        import torch
        import torch.nn.functional as F

        probabilities = F.softmax(torch.randn(8, 5, 3))  # TRN410
    Good:
        import torch
        import torch.nn.functional as F

        probabilities = F.softmax(torch.randn(8, 5, 3), dim=-1)

    Source: the warning "Implicit dimension choice for softmax has been deprecated" of
    torch.nn.functional.softmax.
    """
    for event in script.events("make", "call"):
        if event.site.script is script and _is_untold(event):
            name = event.callee.rpartition(".")[2]
            yield found(
                event.site,
                f"`{name}` is given no `dim`: torch guesses the axis by the number of axes",
                hint="say which axis holds the classes, mostly `dim=-1` or `dim=1`",
            )


def _is_untold(event: Event) -> bool:
    if event.starred or event.callee not in (*_LAYERS, *_FUNCTIONS):
        return False
    dim = event.argument(0 if event.callee in _LAYERS else 1, "dim")
    return dim is None or (isinstance(dim.value, Const) and dim.value.value is None)
