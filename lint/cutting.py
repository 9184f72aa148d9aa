"""Operations through which no gradient flows: they copy numbers, count, compare, choose, round."""

from __future__ import annotations

from trainlint.lint.lower.callees import gives_index
from trainlint.lint.lower.values import Bound, Const, Expr, Obj, Seq, Value

# Operations whose result has no graph: they copy numbers, count, compare, or choose an index.
_CUTTING = frozenset(
    """
    detach item tolist numpy argmax argmin argsort long int short bool byte eq ne gt lt ge
    le isnan isfinite nonzero count_nonzero bincount numel size dim tensor LongTensor
    IntTensor equal allclose logical_and logical_or logical_not any all searchsorted
    bucketize one_hot bernoulli multinomial
""".split()
)
# Of these, those that choose among numbers; and operations that have a graph, but no slope.
_CHOOSING = frozenset(
    "argmax argmin argsort eq ne gt lt ge le one_hot bernoulli multinomial searchsorted".split()
)
_FLAT = frozenset({"round", "floor", "ceil", "trunc", "fix", "sign", "sgn"})
_BUILTINS = frozenset(f"builtins.{name}" for name in ("float", "int", "bool", "len", "str"))
_COMPARISONS = frozenset({
    "==", "NotEqual", "LessThan", "LessThanEqual", "GreaterThan", "GreaterThanEqual", "Is",
    "IsNot", "In", "NotIn", "not", "format",
})  # fmt: skip


def cuts_graph(value: Value, is_loss: bool) -> bool:
    """Whether a value is the result of an operation that cuts the graph."""
    if isinstance(value, Bound):
        return _is_cutting_attribute(value)
    if isinstance(value, Expr):
        return value.op in _BUILTINS or value.op in _COMPARISONS or _is_index(value)
    if not isinstance(value, Obj) or value.kind != "output" or not value.qualname:
        return False
    if value.changed:
        return False
    if "requires_grad" in value.kwargs and not is_loss:
        return False  # a leaf of its own, which something may look at
    name = value.qualname.rpartition(".")[2]
    if name in ("Tensor", "FloatTensor", "DoubleTensor"):  # of a tensor, they share its graph
        return bool(value.args) and isinstance(value.args[0], Seq)
    return name in _CUTTING or name == "Variable" or value.qualname.startswith("numpy.")


def is_flat(value: Value) -> bool:
    """Whether a value is made by an operation whose slope is zero everywhere."""
    if isinstance(value, Expr):
        return value.op == "builtins.round"
    if not isinstance(value, Obj) or value.kind != "output" or value.changed:
        return False
    return value.qualname.rpartition(".")[2] in _FLAT and not value.qualname.startswith("numpy.")


def is_choice_of_index(value: Value) -> bool:
    """Whether a value is a choice that the numbers made: an index, a comparison, a rounding."""
    if isinstance(value, Bound):
        return value.name == "indices"
    if isinstance(value, Expr):
        return value.op in _COMPARISONS or _is_index(value) or is_flat(value)
    name = value.qualname.rpartition(".")[2] if isinstance(value, Obj) else ""
    return name in _CHOOSING or is_flat(value)


def _is_cutting_attribute(value: Bound) -> bool:
    if value.function is not None:
        return False
    return value.name == "data" or (value.name == "indices" and gives_index(value.receiver))


def _is_index(value: Expr) -> bool:
    """`torch.max(output, 1)[1]`: where the largest stands."""
    if value.op != "[]" or len(value.parts) != 2:
        return False
    pair, key = value.parts
    return gives_index(pair) and isinstance(key, Const) and key.value == 1
