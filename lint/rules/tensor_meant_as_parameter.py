"""TRN804."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.lower.known import RECURRENT
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Class, Const, Obj, Value
from trainlint.lint.mentions import every, walk
from trainlint.lint.model import Event, Script
from trainlint.lint.neighbours import is_mentioned_elsewhere
from trainlint.lint.own_classes import init_of, methods, own_classes, reads_of_self, set_by_init
from trainlint.lint.rule import found, rule

_FIRST_VALUES = re.compile(r"^torch\.(randn?|zeros|ones|empty|full|eye|tensor|Tensor|normal)$")
# By these a class, or the script, may reach a tensor that is no parameter, or its gradient.
_REACHES = re.compile(r"optim|grad\b|autograd|_parameter|def parameters")
_TORCH = re.compile(r"(torch|F|nn|functional)\.")
_REACHES_ALL = (b"__dict__", b"vars(", b"getattr(", b"setattr(", b"gc.get_objects")


@rule("TRN804", needs=(b"requires_grad",))
def tensor_meant_as_parameter(script: Script) -> Iterator[Finding]:
    """A module keeps a plain tensor with `requires_grad=True` where it means a parameter.

    A module registers `nn.Parameter`s alone. `parameters()` leaves a plain tensor out, and with it
    every optimizer that is made of them; `.to(device)` does not move it, and no checkpoint has it.

    Found where the module's `forward` computes with the tensor. Nothing is said where anything else
    reads it, an optimizer that is given it in person for one; where it is returned or kept
    elsewhere; where gradients are asked for by hand; or where it only is a recurrent layer's first
    state.

    Bad:
        import torch
        from torch import nn

        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.randn(4, requires_grad=True)  # TRN804

            def forward(self, x):
                return x * self.weight
    Good:
        import torch
        from torch import nn

        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.randn(4))

            def forward(self, x):
                return x * self.weight

    Fix safety: the fix makes it a parameter: optimizers then train it, and checkpoints hold it.
    Source: the documentation of torch.nn.parameter.Parameter.
    """
    for cls in own_classes(script, "torch.nn.Module"):
        if any(one.script not in (None, script) for one in cls.mro()):
            continue  # what a class of another file does with it is not looked at
        for event in _kept(script, cls):
            if _only_forward_uses(script, cls, event):
                yield _finding(script, cls, event)


def _kept(script: Script, cls: Class) -> Iterator[Event]:
    """The attributes that a class's `__init__` sets to a tensor that requires a gradient."""
    told = {one.receiver for one in script.events("method") if one.callee == "requires_grad_"}
    init = init_of(cls)
    inside = set(walk(init.body)) if init is not None else set()
    seen: set[cst.CSTNode] = set()
    for event in set_by_init(script, cls):
        decided = any(condition.site.node in inside for condition in event.conditions)
        if event.site.node in seen or decided:
            continue  # a test within `__init__` decides what is kept
        seen.add(event.site.node)
        value = event.result
        if isinstance(event.receiver, Obj) and isinstance(value, Obj) and _is_told(value, told):
            yield event


def _is_told(value: Obj, told: set[Value]) -> bool:
    """Whether a tensor is made with first values, and told to require a gradient."""
    if value.kind != "output" or value.changed:
        return False
    if value.qualname == "torch.autograd.Variable":
        first = value.args[0] if value.args else None
        made = isinstance(first, Obj) and _FIRST_VALUES.match(first.qualname) is not None
    else:
        made = _FIRST_VALUES.match(value.qualname) is not None
    asked = value.kwargs.get("requires_grad")
    return made and (value in told or (isinstance(asked, Const) and asked.value is True))


def _only_forward_uses(script: Script, cls: Class, event: Event) -> bool:
    name = event.callee
    own = [node for node in reads_of_self(cls) if node.attr.value == name]
    mentioned = sum(node.attr.value == name for node in every(script.module, cst.Attribute))
    if mentioned != len(own) + 1 or not own:
        return False  # it is set again, or something else reads it
    if not _is_read_in_forward(cls, name) or not set(own) <= set(_computed_with(cls)):
        return False
    if any(text in script.source.data for text in _REACHES_ALL):
        return False
    if _REACHES.search(_without_requires_grad(script, cls)) or _is_first_state(script, event):
        return False
    return not is_mentioned_elsewhere(script, {cls.name}, name)


def _computed_with(cls: Class) -> Iterator[cst.CSTNode]:
    """What a class computes with outside of `__init__`: operands, receivers, torch's arguments.

    What is returned, kept or handed to other functions may be trained by someone else.
    """
    for method in methods(cls):
        for node in walk(method.body) if method.name.value != "__init__" else ():
            if isinstance(node, cst.BinaryOperation):
                yield from (node.left, node.right)
            elif isinstance(node, (cst.Attribute, cst.Subscript)):
                yield node.value
            elif isinstance(node, cst.UnaryOperation):
                yield node.expression
            elif isinstance(node, cst.Call) and _TORCH.match(dotted(node.func) or ""):
                yield from (arg.value for arg in node.args)


def _is_read_in_forward(cls: Class, name: str) -> bool:
    """Whether `forward` reads an attribute, itself or in a method that it calls."""
    read = {one.name.value: _attributes(one) for one in methods(cls)}
    waiting, seen = ["forward"], set[str]()
    while waiting:
        method = waiting.pop()
        if method in read and method not in seen:
            seen.add(method)
            waiting += read[method]
    return any(name in read[method] for method in seen)


def _attributes(method: cst.FunctionDef) -> set[str]:
    return {node.attr.value for node in every(method.body, cst.Attribute)}


def _without_requires_grad(script: Script, cls: Class) -> str:
    """The text of a class and of those that derive from it."""
    family = [one for one in script.classes if cls in one.mro()]
    text = "".join(script.module.code_for_node(one.node) for one in family if one.node is not None)
    return re.sub(r"requires_grad_?|set_grad_enabled|no_grad", "", text)


def _is_first_state(script: Script, event: Event) -> bool:
    """Whether a recurrent layer is given the tensor: a state to begin with needs no training."""
    for forward in script.events("forward"):
        module = forward.receiver
        if isinstance(module, Obj) and module.qualname.removesuffix("Cell") in _RECURRENT:
            text = " ".join(arg.text for arg in forward.args[1:])
            if re.search(rf"\.{event.callee}\b", text):
                return True
    return False


_RECURRENT = {name.removesuffix("Cell") for name in RECURRENT}


def _finding(script: Script, cls: Class, event: Event) -> Finding:
    name = f"{event.receiver_text}.{event.callee}"
    return found(
        event.site,
        f"`{name}` is a plain tensor, which `{cls.name}` does not register: `parameters()` leaves"
        " it out, and no optimizer made of them trains it",
        hint=f"make it a parameter: `{name} = nn.Parameter(…)`",
        fix=_fix(script, cls, event),
    )


def _fix(script: Script, cls: Class, event: Event) -> Fix | None:
    value = _assigned(script, event)
    base = next(iter(cls.node.bases), None) if cls.node is not None else None
    module = dotted(base.value) if base is not None else None
    if value is None or module is None or not module.endswith(".Module"):
        return None
    parameter = f"{module.removesuffix('Module')}Parameter"
    edit = script.edit(value, f"{parameter}({script.module.code_for_node(value)})")
    return None if edit is None else Fix(f"Make it a `{parameter}`", (edit,), safe=False)


def _assigned(script: Script, event: Event) -> cst.BaseExpression | None:
    """The expression that an attribute is set to."""
    for node in every(script.module, cst.Assign):
        if node.targets[0].target is event.site.node:
            return node.value
    return None
