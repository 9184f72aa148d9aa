"""TRN802."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Class, Expr, Map, Obj, Seq, Value
from trainlint.lint.mentions import every, walk
from trainlint.lint.model import Event, Script
from trainlint.lint.own_classes import init_of, own_classes, set_by_init
from trainlint.lint.rule import found, rule

# What has parameters, or a mode of training: the rest can as well stand in a list.
_STATEFUL = re.compile(
    r"(?:Lazy)?(?:Linear|Bilinear|Conv\w*|Embedding\w*|LSTM|GRU|RNN|\w+Cell|Multihead\w+"
    r"|Transformer\w*|PReLU|RReLU|\w*Dropout\w*|Parameter|(?!LocalResponse)\w*Norm\w*)"
)
_NESTS = ("torch.nn.Sequential", "torch.nn.ModuleList")


@rule("TRN802", Severity.ERROR, needs=(b"self.",))
def layers_in_list(script: Script) -> Iterator[Finding]:
    """A module keeps its layers in a plain list or dictionary, where it does not find them.

    Only layers that are attributes, or in a `ModuleList` or `ModuleDict`, are parameters of the
    module: those in a list are in no optimizer, do not move to the GPU, and are not saved.

    Nothing is said of layers that are attributes too, of a list of one (the idiom that hides a
    module on purpose), of what has neither parameters nor a mode (activations, pooling), or where
    the class registers modules by name.

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
            made = _holds_layers(event.result) or _is_filled(script, cls, target)
            if made and _is_used(cls.node, target):
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
    if not isinstance(value, Obj) or value.kind != "module" or value.site is None:
        return False
    if value.cls is not None:
        return any(_names_layers(one) for one in value.cls.mro())
    if value.qualname in _NESTS:
        inside = (item for one in value.args for item in (one, *getattr(one, "items", ())))
        return any(isinstance(item, Value) and _is_layer(item) for item in inside)
    return bool(_STATEFUL.fullmatch(value.qualname.rpartition(".")[2]))


def _names_layers(cls: Class) -> bool:
    return any(
        type(one) is cst.Name and _STATEFUL.fullmatch(one.value)
        for one in (walk(cls.node) if cls.node is not None else ())
    )


def _is_filled(script: Script, cls: Class, target: cst.Attribute) -> bool:
    """Whether `__init__` puts layers that it makes there into a container that begins empty.

    By two statements or more, or by one that a loop repeats.
    """
    init, name = init_of(cls), dotted(target)
    if init is None or not _begins_empty(init, target):
        return False
    put = {node for node in walk(init) if name == _filled_by(node)}
    made = [
        event
        for event in script.events("make")
        if event.functions[-1:] == (init,)
        and _is_layer(event.result)
        and event.site.node in {_put_in(node) for node in put}
    ]
    return len(made) > 1 or any(event.loops for event in made)


def _begins_empty(init: cst.FunctionDef, target: cst.Attribute) -> bool:
    for node in every(init, cst.Assign):
        if node.targets[0].target is target:
            value = node.value
            if isinstance(value, (cst.List, cst.Dict)):
                return not value.elements
            return isinstance(value, cst.Call) and dotted(value.func) in ("list", "dict")
    return False


def _filled_by(node: cst.CSTNode) -> str | None:
    """The container that `x.append(…)` or `x[…] = …` puts something into."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        return dotted(node.func.value) if node.func.attr.value == "append" else None
    if isinstance(node, cst.Assign) and isinstance(node.targets[0].target, cst.Subscript):
        return dotted(node.targets[0].target.value)
    return None


def _put_in(node: cst.CSTNode) -> cst.CSTNode | None:
    """What is put in."""
    if isinstance(node, cst.Call):
        return node.args[0].value if len(node.args) == 1 else None
    return node.value if isinstance(node, cst.Assign) else None


def _registers(node: cst.ClassDef) -> bool:
    """Whether a class may make the layers known in another way."""
    names = {"add_module", "register_module", "setattr", "ModuleList", "ModuleDict",
             "__setattr__", "parameters", "ParameterList"}  # fmt: skip
    return any(
        (type(one) is cst.Name and one.value in names) or _takes_over(one) for one in walk(node)
    )


def _takes_over(node: cst.CSTNode) -> bool:
    """Whether a `Sequential` is given what was made elsewhere."""
    if type(node) is not cst.Call or (dotted(node.func) or "")[-10:] != "Sequential":
        return False
    return any(arg.star or not isinstance(arg.value, cst.Call) for arg in node.args)


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
