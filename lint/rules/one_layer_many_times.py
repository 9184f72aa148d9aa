"""TRN815."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding
from trainlint.lint.lower.values import Expr, Obj, Seq
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN815", confidence=Confidence.MEDIUM, needs=(b"] *", b"]*"))
def one_layer_many_times(script: Script) -> Iterator[Finding]:
    """A list of layers is made by multiplication, so that all are one layer.

    `[nn.Linear(4, 4)] * 3` holds the same layer three times: its weights are shared, and the model
    has a third of the parameters that it seems to have.

    Off by default, since some models share their layers on purpose.

    Bad:
        import torch
        from torch import nn

        layers = nn.ModuleList([nn.Linear(4, 4)] * 3)  # TRN815
    Good:
        import torch
        from torch import nn

        layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    Source: the Python library reference, "Common Sequence Operations" ("items in the sequence s are
    not copied; they are referenced multiple times").
    """
    for event in script.events("make"):
        made = event.result
        if not isinstance(made, Obj) or made.qualname not in _CONTAINERS:
            continue
        for arg in event.args:
            if isinstance(arg.value, Expr) and arg.value.op == "*" and _has_layer(arg.value):
                yield found(
                    arg.site,
                    "the list holds the same layer several times: all of them share one set of"
                    " weights",
                    hint="make one for each: `[… for _ in range(n)]`",
                )


_CONTAINERS = ("torch.nn.ModuleList", "torch.nn.Sequential")


def _has_layer(value: Expr) -> bool:
    return any(
        isinstance(part, Seq)
        and any(isinstance(item, Obj) and item.kind == "module" for item in part.items)
        for part in value.parts
    )
