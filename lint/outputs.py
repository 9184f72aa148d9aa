"""Which operation last made a tensor: what a loss, or the user, is handed.

Seen through views and casts, the script's own `forward`, wrappers such as DataParallel, and the
last layer of a Sequential; along every path that may have been taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import libcst as cst

from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.known import LOSS_FUNCTIONS
from trainlint.lint.lower.values import Choice, Const, Expr, Obj, Seq, Value
from trainlint.lint.model import Event, Script, Site

UNKNOWN = "?"

# Operations and layers that leave each number as it is.
_SAME = frozenset(
    """
    view view_as reshape squeeze unsqueeze contiguous flatten unflatten float double half clone
    transpose permute t to cpu cuda type type_as expand expand_as identity detach
""".split()
)
_RESHAPE = _SAME - {"contiguous", "float", "double", "half", "clone", "to", "cpu", "cuda", "type",
                    "type_as", "identity", "detach"}  # fmt: skip
_DEEPEST = 12


@dataclass(frozen=True, eq=False)
class Operation:
    """The last thing that was done to a tensor.

    `name` is that of torch's function (`log_softmax`), for a layer too (`nn.LogSoftmax`); `args`
    are what it was given, `layer` the module that did it.
    """

    name: str
    site: Site | None = None
    args: tuple[Value, ...] = ()
    layer: Obj | None = None
    value: Value | None = None
    reshaped: bool = False  # its axes are others by now


def last_operations(value: Value, depth: int = 0) -> Iterator[Operation]:
    """What may have made a value last, one for each path."""
    if depth > _DEEPEST:
        yield Operation(UNKNOWN)
    elif isinstance(value, Choice):
        for option in value.options:
            yield from last_operations(option, depth + 1)
    elif isinstance(value, Expr) and value.op == "[]" and value.parts:
        yield from _of_item(value, depth)
    elif isinstance(value, Obj) and value.kind == "output" and value.args:
        yield from _of_output(value, depth)
    else:
        yield Operation(UNKNOWN, value=value)


def surely(value: Value, *names: str) -> Operation | None:
    """The operation, if on every path one of these names made the value last."""
    found = list(last_operations(value))
    return found[0] if found and all(one.name in names for one in found) else None


def _of_item(value: Expr, depth: int) -> Iterator[Operation]:
    """`out[0]` of several outputs is one of them; of a tensor, a part of it."""
    container, key = value.parts[0], value.parts[-1]
    returned = container.returned if isinstance(container, Obj) else None
    if isinstance(returned, Seq):
        index = key.value if isinstance(key, Const) else None
        if isinstance(index, int) and -len(returned.items) <= index < len(returned.items):
            yield from last_operations(returned.items[index], depth + 1)
        else:
            yield Operation(UNKNOWN)
    elif isinstance(container, Obj) and container.kind == "output":
        yield from last_operations(container, depth + 1)
    else:
        yield Operation(UNKNOWN)


def _of_output(value: Obj, depth: int) -> Iterator[Operation]:
    if value.qualname:
        name = value.qualname.rpartition(".")[2]
        if name in _SAME:
            moved = name in _RESHAPE
            for one in last_operations(value.args[0], depth + 1):
                yield replace(one, reshaped=one.reshaped or moved)
        else:
            yield Operation(name, value.site, value.args, None, value)
    elif value.returned is not None:
        yield from last_operations(value.returned, depth + 1)
    else:
        yield from _of_module(unwrapped(value.args[0]), value, depth)


def _of_module(module: Value, value: Obj, depth: int) -> Iterator[Operation]:
    layers = _layers(module)
    if not layers:
        yield from last_operations(value.args[1], depth + 1) if len(value.args) > 1 else ()
        return
    last = layers[-1]
    if not isinstance(last, Obj) or last.cls is not None or not last.qualname:
        yield Operation(UNKNOWN)
        return
    given = value.args[1:] if last is module else ()  # else the layer before it made its input
    yield Operation(_function_of(last.qualname), value.site, given, last, value)


def _layers(module: Value) -> list[Value]:
    """A module's layers in order, those that change nothing left out; itself, if it is one."""
    if not isinstance(module, Obj) or module.qualname != "torch.nn.Sequential":
        found: list[Value] = [module]
    else:
        found = [layer for part in module.args for layer in _layers(part)]
    return [layer for layer in found if not _is_same(layer)]


def _is_same(layer: Value) -> bool:
    return isinstance(layer, Obj) and _function_of(layer.qualname) in _SAME


def _function_of(qualname: str) -> str:
    """`log_softmax` of `torch.nn.LogSoftmax`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", qualname.rpartition(".")[2]).lower()


def width(operation: Operation) -> int | None:
    """How many outputs a linear layer has, where that is a constant and its axes are still its."""
    layer = operation.layer
    if operation.name != "linear" or layer is None or operation.reshaped:
        return None
    value = layer.args[1] if len(layer.args) > 1 else layer.kwargs.get("out_features")
    known_width = value.value if isinstance(value, Const) else None
    return known_width if isinstance(known_width, int) else None


# -- losses --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LossCall:
    """A loss that is computed: its class in torch.nn, and what it is handed."""

    event: Event
    name: str  # CrossEntropyLoss
    input: Value
    target: Value | None
    options: dict[str, Value]


def loss_calls(script: Script, *names: str) -> Iterator[LossCall]:
    """The losses of these classes that the script computes, as modules or as functions.

    One that may be of another class, by the path taken, is left out: its input may be too.
    """
    sites: dict[cst.CSTNode, list[Event]] = {}
    for event in script.events("loss", "forward", "opaque"):
        sites.setdefault(event.site.node, []).append(event)
    for events in sites.values():
        if all(_loss_name(event) in names for event in events):
            calls = (_loss_call(event) for event in events)
            yield from (call for call in calls if call is not None)


def _loss_name(event: Event) -> str:
    made = event.receiver if isinstance(event.receiver, Obj) else None
    if made is None or made.kind != "loss":
        return LOSS_FUNCTIONS.get(event.callee, "").rpartition(".")[2]
    return "" if made.cls is not None else made.qualname.rpartition(".")[2]


def _loss_call(event: Event) -> LossCall | None:
    given, target = event.argument(0, "input"), event.argument(1, "target")
    if given is None or event.starred:
        return None
    made = event.receiver
    options = dict(made.kwargs) if isinstance(made, Obj) and made.kind == "loss" else {}
    options.update({arg.keyword: arg.value for arg in event.args if arg.keyword})
    return LossCall(
        event, _loss_name(event), given.value, target.value if target else None, options
    )


@dataclass(frozen=True, eq=False)
class Mismatch:
    """A loss that is handed what it does not take: the operation that made it, and where.

    `related` tells of the operation, and of the other losses that it goes into.
    """

    site: Site
    operation: Operation
    related: list[tuple[Site, str]]


def loss_after(
    script: Script, losses: tuple[str, ...], operations: tuple[str, ...]
) -> Iterator[Mismatch]:
    """The losses whose input one of these operations surely made last; each operation once."""
    found: dict[object, list[tuple[LossCall, Operation]]] = {}
    for call in loss_calls(script, *losses):
        operation = surely(call.input, *operations)
        if operation is not None:
            layer = operation.layer
            key = layer.site.node if layer is not None and layer.site else operation.value
            found.setdefault(key, []).append((call, operation))
    for (call, operation), *others in found.values():
        more = [(one.event.site, "and here") for one, _ in others]
        more = [one for one in more if one[0].node is not call.event.site.node]
        related = [*related_to(operation, f"the output of the {operation.name}"), *more]
        yield Mismatch(call.event.site, operation, related)


def related_to(operation: Operation, label: str) -> list[tuple[Site, str]]:
    """The place of an operation, and of the layer that does it, for a finding."""
    found = [] if operation.site is None else [(operation.site, label)]
    layer = operation.layer
    if layer is not None and layer.site is not None and layer.site is not operation.site:
        found.append((layer.site, "the layer is made here"))
    return found
