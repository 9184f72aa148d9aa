"""TRN415."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Event, Script
from trainlint.lint.outputs import related_to, surely
from trainlint.lint.rule import found, rule

_INSTEAD = {
    "softmax": "log_softmax",
    "sigmoid": "logsigmoid",
    "relu": "a clamp to a small number before it",
}
_LOGARITHMS = ("log", "torch.log", "log2", "torch.log2", "log10", "torch.log10")


@rule("TRN415", Severity.INFO, needs=(b"log(", b"log2(", b"log10("))
def unguarded_log(script: Script) -> Iterator[Finding]:
    """A logarithm is taken of a softmax, sigmoid or ReLU, which can be exactly 0.

    In single precision a softmax falls to 0 for logits about 104 below the largest. The logarithm
    is then minus infinity and its gradient not a number, and one such sample spoils all weights.
    The fused operations compute the same from the logits, without passing through 0.

    Bad:
        import torch

        probabilities = torch.softmax(torch.randn(8, 3), dim=1)
        entropy = -(probabilities * torch.log(probabilities)).sum(1)  # TRN415
    Good:
        import torch

        logits = torch.randn(8, 3)
        entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1)

    Source: the documentation of torch.nn.functional.log_softmax ("doing these two operations
    separately is slower and numerically unstable").
    """
    for event in script.events("call", "method"):
        value = _logged(event)
        operation = surely(value, *_INSTEAD) if value is not None else None
        if operation is not None:
            yield found(
                event.site,
                f"the logarithm is taken of the output of a {operation.name}, which can be 0",
                related=related_to(operation, f"the {operation.name}"),
                hint=f"use {_INSTEAD[operation.name]}",
            )


def _logged(event: Event) -> Value | None:
    if event.callee not in _LOGARITHMS:
        return None
    if event.kind == "method":
        return event.receiver
    first = event.argument(0, "input")
    return first.value if first is not None else None
