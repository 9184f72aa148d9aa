"""TRN802."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Expr, Map, Obj, Seq, Value
from trainlint.lint.mentions import walk
from trainlint.lint.model import Event, Script
from trainlint.lint.own_classes import own_classes, set_by_init
from trainlint.lint.rule import found, rule


@rule("TRN802", Severity.ERROR, needs=(b"self.",))
def layers_in_list(script: Script) -> Iterator[Finding]:
    """A module keeps its layers in a plain list or dictionary, where it does not find them.

    Only layers that are attributes, or in a `ModuleList` or `ModuleDict`, are parameters of the
    module: those in a list are in no optimizer, do not move to the GPU, and are not saved.

    Nothing is said of layers that are attributes too, of a list of one (the idiom that hides a
    module on purpose), or where the class registers modules by name.

    Bad:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = [nn.Linear(4, 4) for _ in range(3)]  # TRN802

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x
    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

    Fix safety: the fix puts the list into a `ModuleList`. The names in checkpoints change with it,
    and the layers begin to train: it is unsafe.
    Source: the documentation of torch.nn.ModuleList.
    """
    told: set[cst.CSTNode] = set()
    for cls in own_classes(script, "torch.nn.Module"):
        if cls.node is None or _registers(cls.node):
            continue
        for event in set_by_init(script, cls):
            target = event.site.node
            if not isinstance(target, cst.Attribute) or target in told:
                continue
            if _holds_layers(event.result) and _is_used(cls.node, target):
                told.add(target)
                yield _finding(script, event, target)


def _holds_layers(value: Value) -> bool:
    """A literal of two or more layers that are made in it, or a comprehension of them."""
    if isinstance(value, Expr) and value.op == "comprehension":
        return _is_layer(value.parts[0])
    items: tuple[Value, ...] = value.items if isinstance(value, Seq) else ()
    if isinstance(value, Map):
        items = tuple(value.items.values())
    return len(items) > 1 and all(_is_layer(item) for item in items)


def _is_layer(value: Value) -> bool:
    return isinstance(value, Obj) and value.kind == "module" and value.site is not None


def _registers(node: cst.ClassDef) -> bool:
    """Whether a class may make the layers known in another way."""
    names = {"add_module", "register_module", "setattr", "ModuleList", "ModuleDict", "Sequential",
             "__setattr__", "parameters", "ParameterList"}  # fmt: skip
    return any(isinstance(one, cst.Name) and one.value in names for one in walk(node))


def _is_used(node: cst.ClassDef, target: cst.Attribute) -> bool:
    """Whether another method reads the list; and its items are made in it, not named."""
    name = dotted(target)
    return sum(isinstance(one, cst.Attribute) and dotted(one) == name for one in walk(node)) > 1


def _finding(script: Script, event: Event, target: cst.Attribute) -> Finding:
    return found(
        event.site,
        f"`{dotted(target)}` is a plain container: the layers in it are no parameters of the"
        " module",
        hint="keep them in `nn.ModuleList` (or `nn.ModuleDict`)",
    )
