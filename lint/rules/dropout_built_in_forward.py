"""TRN307."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.mentions import walk
from trainlint.lint.model import Event, Script
from trainlint.lint.own_modules import asks_for_mode, method_around, methods_of_modules
from trainlint.lint.rule import found, rule

_DROPOUT = re.compile(r"^torch\.nn\.\w*Dropout\w*$")


@rule("TRN307", needs=(b"Dropout",))
def dropout_built_in_forward(script: Script) -> Iterator[Finding]:
    """A Dropout is made anew in each forward pass, and so never hears of `eval()`.

    A module is made in training mode. `model.eval()` reaches the modules that the model holds as
    attributes; one that `forward` makes and throws away drops out always.

    Bad:
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)

            def forward(self, x):
                return nn.Dropout(0.5)(self.fc(x))  # TRN307
    Good:
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)
                self.dropout = nn.Dropout(0.5)

            def forward(self, x):
                return self.dropout(self.fc(x))

    Source: the documentation of torch.nn.Module (`training`, `eval`).
    """
    methods = methods_of_modules(script)
    kept = {event.result for event in script.events("set_attribute", "set_item")}
    told = {event.receiver for event in script.events("train", "eval")}
    for event in script.events("forward"):
        layer = event.receiver
        if event.site.script is not script or layer in kept or layer in told:
            continue
        if not _is_made_beside(event, layer):
            continue
        if method_around(event, methods) is not None and not asks_for_mode(event):
            yield found(
                event.site,
                "this Dropout is made in the forward pass: `eval()` never reaches it",
                hint="make it in `__init__`, as an attribute",
            )


def _is_made_beside(event: Event, layer: Value) -> bool:
    """Whether a value is a Dropout that is made in the very function that calls it."""
    if not isinstance(layer, Obj) or layer.cls is not None or layer.site is None:
        return False
    if not _DROPOUT.match(layer.qualname):
        return False
    function = event.functions[-1] if event.functions else None
    return function is not None and layer.site.node in walk(function)
