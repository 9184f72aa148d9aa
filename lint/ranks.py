"""Distributed training: which process runs what, and what all must call together."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Const, Expr, Obj, Ref, Value, options_of
from trainlint.lint.model import Condition, Event, Script

# Every process of the group must call these, or those that do wait forever.
COLLECTIVES = frozenset(
    f"torch.distributed.{name}"
    for name in (
        "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all",
        "all_to_all_single", "barrier", "broadcast", "broadcast_object_list", "gather",
        "gather_object", "monitored_barrier", "reduce", "reduce_scatter", "reduce_scatter_tensor",
        "scatter", "scatter_object_list",
    )
)  # fmt: skip

_VARIABLES = ("RANK", "LOCAL_RANK")


def collectives(script: Script) -> Iterator[Event]:
    """The collective calls of a script on all processes, not on some group of them."""
    for event in script.events("call"):
        if event.callee in COLLECTIVES and not _of_group(event):
            yield event


def _of_group(event: Event) -> bool:
    group = next((arg.value for arg in event.args if arg.keyword == "group"), None)
    if group is not None:
        return not (isinstance(group, Const) and group.value is None)
    return event.starred or any(
        isinstance(arg.value, Obj) and arg.value.qualname == "torch.distributed.new_group"
        for arg in event.args
    )


def is_rank(value: Value) -> bool:
    """Whether a value is this process's rank, or may be where there are several."""
    return any(_is_rank(option) for option in options_of(value))


def _is_rank(value: Value) -> bool:
    if isinstance(value, Expr):
        if value.op == "builtins.int" and value.parts:
            return is_rank(value.parts[0])
        if value.op == "[]" and isinstance(value.parts[0], Ref):
            return value.parts[0].name == "os.environ" and _names_rank(value.parts[1])
        return value.op in ("carried", "shared", "conditional") and is_rank(value.parts[0])
    if not isinstance(value, Obj):
        return False
    if value.qualname == "torch.distributed.get_rank":
        return len(value.args) == 0
    read = value.qualname in ("os.getenv", "os.environ.get")
    return read and bool(value.args) and _names_rank(value.args[0])


def _names_rank(value: Value) -> bool:
    return isinstance(value, Const) and value.value in _VARIABLES


def speaks_of_rank(value: Value) -> bool:
    """Whether anything that a value was computed from is the rank."""
    return any(_is_rank(one) for one in ancestors(value))


def one_rank(condition: Condition) -> bool:
    """Whether a condition holds on one rank only: `rank == 0`."""
    return _selects_one(condition.value, condition.taken)


def _selects_one(value: Value, taken: bool) -> bool:
    if is_rank(value):
        return not taken  # `if not rank`
    if not isinstance(value, Expr):
        return False
    if value.op == "not":
        return _selects_one(value.parts[0], not taken)
    if value.op == ("and" if taken else "or"):
        return any(_selects_one(part, taken) for part in value.parts)
    if value.op not in ("==", "NotEqual") or len(value.parts) != 2:
        return False
    left, right = value.parts
    one = (is_rank(left) and isinstance(right, Const)) or (
        is_rank(right) and isinstance(left, Const)
    )
    return one and taken == (value.op == "==")
