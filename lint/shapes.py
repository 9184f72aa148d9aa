"""How many axes a tensor has, and how long its last one is, where the script shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Choice, Const, Expr, Obj, Seq, Value

_DEEPEST = 12


@dataclass(frozen=True)
class Shape:
    """What is known of a shape: `rank` or at least `least` axes; `last`, None where unknown."""

    rank: int | None = None
    last: int | None = None
    least: int = 0

    @property
    def is_column(self) -> bool:
        """Whether it is surely `(…, 1)` with axes before the last."""
        return self.last == 1 and (self.rank or self.least) > 1

    @property
    def is_row(self) -> bool:
        """Whether it surely has one axis, of more than one number."""
        return self.rank == 1 and self.last != 1


UNKNOWN = Shape()
ROW, COLUMN = Shape(1), Shape(2, 1)

_FILLED = frozenset("torch.randn torch.rand torch.zeros torch.ones torch.empty".split())
_ELEMENTWISE = frozenset(
    """
    abs bfloat16 bool celu clamp clip clone contiguous cpu cuda detach double dropout elu exp
    float gelu half hardtanh leaky_relu log log_softmax logsigmoid long neg prelu relu relu6
    round selu sigmoid sign silu softmax softplus sqrt square tanh to type
    ones_like zeros_like rand_like randn_like full_like
""".split()
)
_REDUCING = frozenset("max min sum mean amax amin argmax argmin prod std var median".split())


def given(value: Obj) -> tuple[list[Value], dict[str, Value]]:
    """What the function or method that made a tensor was given, by position and by name.

    The tensor itself comes first, whether it was an argument or a method was called on it.
    """
    node = value.site.node if value.site is not None else None
    names: Sequence[cst.Arg] = node.args if isinstance(node, cst.Call) else ()
    before = len(value.args) - len(names)
    plain, named = list(value.args[: max(before, 0)]), {}
    for arg, one in zip(names, value.args[before:], strict=False):
        if arg.star:
            plain.append(Value())
        elif arg.keyword is None:
            plain.append(one)
        else:
            named[arg.keyword.value] = one
    return plain, named


def shape(value: Value, depth: int = 0) -> Shape:
    """The shape of a tensor, as far as it is known."""
    if depth > _DEEPEST:
        return UNKNOWN
    if isinstance(value, Choice):
        shapes = {shape(option, depth + 1) for option in value.options}
        return shapes.pop() if len(shapes) == 1 else UNKNOWN
    if isinstance(value, Expr):
        return _of_expression(value, depth + 1)
    if not isinstance(value, Obj) or value.kind != "output" or value.changed:
        return UNKNOWN
    if value.qualname:
        return _of_operation(value, value.qualname.rpartition(".")[2], depth + 1)
    if value.returned is not None:
        return shape(value.returned, depth + 1)
    return _of_layer(unwrapped(value.args[0]), value.args[1:2], depth + 1)


def _of_expression(value: Expr, depth: int) -> Shape:
    if value.op == "[]" and len(value.parts) == 2:
        whole, key = value.parts
        made = isinstance(whole, Obj) and whole.qualname.rpartition(".")[2] in ("max", "min")
        return shape(whole, depth) if made and number(key) == 0 else UNKNOWN
    if value.op in ("+", "-", "*", "/"):
        tensors = [part for part in value.parts if not isinstance(part, Const)]
        shapes = {shape(part, depth) for part in tensors}
        return shapes.pop() if len(shapes) == 1 else UNKNOWN
    return UNKNOWN


def _of_layer(layer: Value, inputs: tuple[Value, ...], depth: int) -> Shape:
    if not isinstance(layer, Obj) or layer.cls is not None or layer.changed:
        return UNKNOWN
    before = shape(inputs[0], depth) if inputs else UNKNOWN
    if layer.qualname == "torch.nn.Sequential":
        for one in layer.args:
            before = _after(one, before)
        return before
    return _after(layer, before)


def _after(layer: Value, before: Shape) -> Shape:
    """The shape behind a layer."""
    if not isinstance(layer, Obj) or layer.cls is not None or layer.changed:
        return UNKNOWN
    name = layer.qualname.rpartition(".")[2]
    if layer.qualname == "torch.nn.Sequential":
        for one in layer.args:
            before = _after(one, before)
        return before
    if name == "Linear":
        width = layer.args[1] if len(layer.args) > 1 else layer.kwargs.get("out_features")
        return Shape(before.rank, number(width), max(before.least, 1))
    if name == "Flatten" and not layer.args and not layer.kwargs:
        return Shape(2)
    return before if name.lower() in _ELEMENTWISE or name in ("Dropout", "Identity") else UNKNOWN


def _of_operation(value: Obj, name: str, depth: int) -> Shape:
    plain, named = given(value)
    if value.qualname in _FILLED or value.qualname in ("torch.full", "torch.randint"):
        return _of_sizes(_sizes(value.qualname, plain, named))
    if value.qualname == "torch.tensor":
        return _of_literal(plain[0]) if plain else UNKNOWN
    if not plain:
        return UNKNOWN
    if name in ("view", "reshape"):
        return _of_sizes(plain[1:])
    if name in _ELEMENTWISE:
        return shape(plain[0], depth)
    if name in _REDUCING:
        return _reduced(shape(plain[0], depth), plain[1:], named)
    if name in ("flatten", "squeeze", "unsqueeze"):
        first = named.get("start_dim" if name == "flatten" else "dim")
        return _moved(name, shape(plain[0], depth), plain[1:2] or ([first] if first else []))
    return UNKNOWN


def _sizes(qualname: str, plain: list[Value], named: dict[str, Value]) -> list[Value]:
    if "size" in named:
        return [named["size"]]
    if qualname == "torch.randint":
        return plain[-1:]
    return plain[:1] if qualname == "torch.full" else plain


def _of_sizes(sizes: list[Value]) -> Shape:
    """`(8, 4)`, `((8, 4),)` or `(-1,)`."""
    if len(sizes) == 1 and isinstance(sizes[0], Seq):
        sizes = list(sizes[0].items)
    elif len(sizes) == 1 and number(sizes[0]) is None and not _is_size(sizes[0]):
        return UNKNOWN  # it may be a shape
    if not sizes or any(type(one) is Value for one in sizes[:-1]):
        return UNKNOWN  # a star may stand there
    last = number(sizes[-1])
    return Shape(len(sizes), last if last != -1 else None, len(sizes))


def _is_size(value: Value) -> bool:
    """`len(x)`, or a number computed."""
    return isinstance(value, Expr) and value.op in ("builtins.len", "*", "+", "//", "builtins.int")


def _of_literal(value: Value) -> Shape:
    if isinstance(value, Seq) and all(isinstance(one, Const) for one in value.items):
        return Shape(1, len(value.items), 1)
    return UNKNOWN


def _reduced(before: Shape, rest: list[Value], named: dict[str, Value]) -> Shape:
    if "keepdim" in named or len(rest) > 1:
        return UNKNOWN
    axis = number(rest[0] if rest else named.get("dim"))
    if axis is None or before.rank is None or before.rank != 2:
        return UNKNOWN
    return Shape(1, None, 1)


def _moved(name: str, before: Shape, axes: list[Value]) -> Shape:
    axis = number(axes[0]) if axes else None
    if name == "flatten":
        return Shape(2, None, 2) if axis == 1 else UNKNOWN if axes else Shape(1, None, 1)
    if name == "squeeze":
        last = axis == -1 or (before.rank == 2 and axis == 1)
        return Shape(1, None, 1) if before.rank == 2 and before.last == 1 and last else UNKNOWN
    if axis == -1 or (before.rank == 1 and axis == 1):
        rank = before.rank + 1 if before.rank is not None else None
        return Shape(rank, 1, before.least + 1)
    return UNKNOWN


def is_picked_column(value: Value) -> bool:
    """`q.gather(1, actions.unsqueeze(1))`: one number for each row, as a column."""
    if not isinstance(value, Obj) or value.qualname not in ("Tensor.gather", "torch.gather"):
        return False
    plain, named = given(value)
    index = plain[2] if len(plain) > 2 else named.get("index")
    if not isinstance(index, Obj) or index.qualname not in ("Tensor.unsqueeze", "torch.unsqueeze"):
        return False
    axes, by_name = given(index)
    return number(axes[1] if len(axes) > 1 else by_name.get("dim")) in (1, -1)


def has_row_of_best(value: Value, depth: int = 0) -> bool:
    """`r + gamma * q.max(1)[0]`: a row, or, where what is added is a column, all against all."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, Expr) and value.op in ("+", "-", "*", "/"):
        return any(has_row_of_best(part, depth + 1) for part in value.parts)
    if isinstance(value, Expr) and value.op == "[]" and len(value.parts) == 2:
        best, key = value.parts
        return isinstance(best, Obj) and number(key) == 0 and _is_best_of_rows(best)
    if isinstance(value, Obj) and value.qualname in ("Tensor.detach", "Tensor.float"):
        return has_row_of_best(value.args[0], depth + 1)
    return False


def _is_best_of_rows(value: Obj) -> bool:
    """`.max(1)` of what a module made, its axis not kept."""
    if value.qualname not in ("Tensor.max", "torch.max"):
        return False
    plain, named = given(value)
    axis = plain[1] if len(plain) > 1 else named.get("dim")
    kept = len(plain) > 2 or "keepdim" in named
    made = plain[0] if plain else None
    by_module = isinstance(made, Obj) and made.kind == "output" and not made.qualname
    return by_module and not kept and number(axis) in (1, -1)


def number(value: Value | None) -> int | None:
    """A whole number that stands in the script."""
    if isinstance(value, Expr) and value.op == "minus" and isinstance(value.parts[0], Const):
        inner = value.parts[0].value
        return -inner if isinstance(inner, int) else None
    number = value.value if isinstance(value, Const) else None
    return number if isinstance(number, int) else None
