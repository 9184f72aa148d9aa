"""Which operation last made a tensor: what a loss, or the user, is handed.

Seen through views and casts, the script's own `forward`, wrappers such as DataParallel, and the
last layer of a Sequential; along every path that may have been taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeGuard

from trainlint.lint.graph import ancestors
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Choice, Const, Expr, Map, Obj, Seq, Value
from trainlint.lint.model import Site
from trainlint.lint.shapes import given

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
# Layers that leave numbers as they are when the model is used, and some of them while it trains.
DROPOUTS = frozenset(
    """
    dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout
""".split()
)
# Operations whose output is any number: logits, where nothing follows.
LINEAR = ("linear", "lazy_linear", "bilinear", "conv1d", "conv2d", "conv3d",
          "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")  # fmt: skip
_ALIASES = {"expit": "sigmoid", "relu6": "relu", "relu_": "relu", "softmax2d": "softmax"}
# The last layer of torchvision's classifiers, by the attribute that holds it.
_HEADS = (
    (re.compile(r"resne|resnext|googlenet|inception|shufflenet|regnet"), "fc"),
    (re.compile(r"vgg|alexnet|mobilenet|densenet|efficientnet|convnext|mnasnet"), "classifier"),
    (re.compile(r"swin"), "head"),
    (re.compile(r"vit_"), "heads"),
)
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
    dropout: Site | None = None  # of a dropout that comes after it
    inner: Operation | None = None  # of a layer in a Sequential: what the one before it does

    def follows(self, *names: str) -> Operation | None:
        """The operation before it, if it surely is one of these."""
        if self.args:
            return surely(self.args[0], *names)
        return self.inner if self.inner is not None and self.inner.name in names else None


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
    if returned is not None:
        item = _item(returned, key.value if isinstance(key, Const) else None)
        yield from last_operations(item, depth + 1)
    elif isinstance(container, Obj) and container.kind == "output":
        for one in last_operations(container, depth + 1):
            yield replace(one, reshaped=True)
    else:
        yield Operation(UNKNOWN)


def _item(returned: Value, key: object) -> Value:
    """What a forward returned under a key, on every path."""
    if isinstance(returned, Choice):
        return Choice(None, tuple(_item(option, key) for option in returned.options))
    if isinstance(returned, Seq) and isinstance(key, int):
        inside = -len(returned.items) <= key < len(returned.items)
        return returned.items[key] if inside else Value()
    return returned.items.get(key, Value()) if isinstance(returned, Map) else Value()


def _of_output(value: Obj, depth: int) -> Iterator[Operation]:
    if value.changed:
        yield Operation(UNKNOWN)
    elif value.qualname:
        name = value.qualname.rpartition(".")[2]
        if name in _SAME or name in DROPOUTS:
            for one in last_operations(value.args[0], depth + 1):
                yield _seen_through(one, name, value.site)
        else:
            yield Operation(_ALIASES.get(name, name), value.site, value.args, None, value)
    elif _is_overruled(value.args[0]):
        yield Operation(UNKNOWN)
    elif value.returned is not None:
        yield from last_operations(value.returned, depth + 1)
    else:
        yield from _of_module(unwrapped(value.args[0]), value, depth)


def _is_overruled(module: Value) -> bool:
    """Whether a module's `forward` was replaced or hooked, so that what it returns is not known."""
    inside = unwrapped(module)
    return any(isinstance(one, Obj) and "forward" in one.layers for one in (module, inside))


def _seen_through(operation: Operation, name: str, site: Site | None) -> Operation:
    """An operation after which one came that left its numbers as they are."""
    if name in DROPOUTS:
        return replace(operation, dropout=operation.dropout or site)
    return replace(operation, reshaped=operation.reshaped or name in _RESHAPE)


def _of_module(module: Value, value: Obj, depth: int) -> Iterator[Operation]:
    """What a module does last, its trailing layers that keep each number taken off."""
    layers = _layers(module)
    passed: list[Obj] = []
    while layers and isinstance(last := layers[-1], Obj) and _keeps(last):
        passed.append(last)
        layers.pop()
    if not layers:
        given = value.args[1] if len(value.args) > 1 else Value()
        found = last_operations(given, depth + 1)
    else:
        operation = _of_layer(layers[-1], module, value)
        if len(layers) > 1:
            operation = replace(operation, inner=_of_layer(layers[-2], module, value))
        found = iter((operation,))
    for one in found:
        for layer in reversed(passed):
            one = _seen_through(one, _function_of(layer.qualname), layer.site)
        yield one


def _of_layer(last: Value, module: Value, value: Obj) -> Operation:
    plain = isinstance(last, Obj) and last.cls is None and not last.changed
    if not isinstance(last, Obj) or not plain or not last.qualname or _is_overruled(last):
        return Operation(UNKNOWN)
    given = value.args[1:] if last is module else ()  # else the layer before it made its input
    return Operation(_function_of(last.qualname), value.site, given, last, value)


def _layers(module: Value) -> list[Value]:
    """A module's layers in order; itself, if it is one."""
    if not isinstance(module, Obj) or module.changed:
        return [Value()]
    if module.qualname == "torch.nn.Sequential":
        return [layer for part in _parts(module) for layer in _layers(part)]
    if module.qualname.startswith("torchvision.models."):
        return _layers(_head(module))
    return [module]


def _parts(sequential: Obj) -> tuple[Value, ...]:
    """The layers that a Sequential was given, one by one or as an `OrderedDict`."""
    if len(sequential.args) != 1:
        return sequential.args
    only = sequential.args[0]
    if isinstance(only, Obj) and only.qualname == "collections.OrderedDict" and only.args:
        only = only.args[0]
        if isinstance(only, Seq):
            return tuple(one.items[1] if _is_pair(one) else Value() for one in only.items)
    return tuple(only.items.values()) if isinstance(only, Map) else sequential.args


def _is_pair(value: Value) -> TypeGuard[Seq]:
    return isinstance(value, Seq) and len(value.items) == 2


def _head(model: Obj) -> Value:
    """The last layer of one of torchvision's models, where the script put in its own."""
    name = model.qualname.rpartition(".")[2]
    for pattern, attribute in _HEADS:
        if pattern.search(name):
            return model.layers.get(attribute, Value())
    return Value()


def _keeps(layer: Obj) -> bool:
    return layer.cls is None and _function_of(layer.qualname) in _SAME | DROPOUTS


def _function_of(qualname: str) -> str:
    """`log_softmax` of `torch.nn.LogSoftmax`."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", qualname.rpartition(".")[2]).lower()
    return _ALIASES.get(name, name)


def width(operation: Operation) -> int | None:
    """How many outputs a linear layer has, where that is a constant and its axes are still its."""
    layer = operation.layer
    if operation.name != "linear" or layer is None or operation.reshaped:
        return None
    value = layer.args[1] if len(layer.args) > 1 else layer.kwargs.get("out_features")
    known_width = value.value if isinstance(value, Const) else None
    return known_width if isinstance(known_width, int) else None


def softmax_axis(operation: Operation) -> Value | None:
    """The `dim` that a softmax was given."""
    layer = operation.layer
    if layer is not None:
        return layer.args[0] if layer.args else layer.kwargs.get("dim")
    if not isinstance(operation.value, Obj):
        return None
    plain, named = given(operation.value)
    return plain[1] if len(plain) > 1 else named.get("dim")


def is_predicted(value: Value) -> bool:
    """Whether a module had a part in making a value."""
    return any(
        isinstance(one, Obj) and one.kind == "output" and not one.qualname and one.args
        for one in ancestors(value)
    )


def related_to(operation: Operation, label: str) -> list[tuple[Site, str]]:
    """The place of an operation, and of the layer that does it, for a finding."""
    found = [] if operation.site is None else [(operation.site, label)]
    layer = operation.layer
    if layer is not None and layer.site is not None and layer.site is not operation.site:
        found.append((layer.site, "the layer is made here"))
    return found
