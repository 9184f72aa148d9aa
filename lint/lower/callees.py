"""Small readings of a call: its callee's kind, what it is named, what it does in place."""

from __future__ import annotations

from trainlint.lint.lower import known
from trainlint.lint.lower.values import Bound, Const, Obj, Value
from trainlint.lint.model import Argument


def named(args: tuple[Argument, ...]) -> dict[str, Value]:
    """The arguments given by keyword."""
    return {arg.keyword: arg.value for arg in args if arg.keyword is not None}


def method_event(bound: Bound) -> str | None:
    """The kind of event that calling a method is; None for one that is nothing special."""
    if bound.function is not None:
        return None
    kind, receiver = known.METHOD_EVENTS.get(bound.name), kind_of(bound.receiver)
    if bound.name == "step" and receiver == "scheduler":
        return "schedule"
    if bound.name == "update" and receiver == "scaler":
        return "update"
    return kind


def in_place(args: tuple[Argument, ...]) -> bool:
    """`inplace=True`."""
    return any(
        arg.keyword == "inplace" and isinstance(arg.value, Const) and arg.value.value is True
        for arg in args
    )


def gives_index(value: Value) -> bool:
    """Whether a value is a pair of numbers and where they stand: `torch.max(output, 1)`."""
    if not isinstance(value, Obj) or value.kind != "output":
        return False
    given = len(value.args) + len(value.kwargs)
    return given > 1 and value.qualname.rpartition(".")[2] in known.WITH_INDEX


def kind_of(value: Value) -> str:
    """What an object is for training; empty for anything else."""
    return value.kind if isinstance(value, Obj) else ""
