"""TRN801."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.mentions import walk
from trainlint.lint.model import Script, Site
from trainlint.lint.own_classes import init_of, own_classes
from trainlint.lint.rule import found, rule


@rule("TRN801", Severity.ERROR, needs=(b"nn.Module", b"Module)"))
def missing_super_init(script: Script) -> Iterator[Finding]:
    """A module makes its layers without having called `super().__init__()`.

    `nn.Module.__init__` makes the dictionaries that layers are kept in. Before it, the first
    `self.fc = nn.Linear(…)` fails: "cannot assign module before Module.__init__() call".

    Bad:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):  # TRN801
                self.fc = nn.Linear(4, 1)

            def forward(self, x):
                return self.fc(x)
    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 1)

            def forward(self, x):
                return self.fc(x)

    Source: the documentation of torch.nn.Module ("an __init__() call to the parent class must be
    made before assignment on the child").
    """
    for cls in own_classes(script, "torch.nn.Module"):
        init = init_of(cls)
        layer = _first_layer(script, init) if init is not None else None
        if init is None or layer is None or _initialises(init):
            continue
        yield found(
            script.location(init.name),
            f"`{cls.name}.__init__` makes layers, and never calls `super().__init__()`",
            related=[(layer, "the first layer: assigning it fails")],
            hint="begin it with `super().__init__()`",
        )


def _first_layer(script: Script, init: cst.FunctionDef) -> Site | None:
    """The first layer that the method itself makes."""
    for event in script.events("make"):
        made = event.result
        if isinstance(made, Obj) and made.kind == "module" and event.functions[-1:] == (init,):
            return event.site
    return None


def _initialises(init: cst.FunctionDef) -> bool:
    """Whether it calls an `__init__` of anything."""
    return any(
        isinstance(node, cst.Attribute) and node.attr.value == "__init__" for node in walk(init)
    )
