"""What a value was computed from: the graph that autograd would build, as far as it is seen."""

from __future__ import annotations

from collections.abc import Container, Iterator

from trainlint.lint.lower.values import Choice, Expr, Map, Obj, Seq, Value


def inputs(value: Value) -> tuple[Value, ...]:
    """What a value was made of directly; of an output of the script's own module, both what the
    module was given and what its `forward` returned."""
    if isinstance(value, Obj):
        inner = (value.returned,) if value.returned is not None else ()
        return (*inner, *value.args, *value.kwargs.values()) if value.kind == "output" else ()
    if isinstance(value, Expr):
        return value.parts
    if isinstance(value, Seq):
        return value.items
    if isinstance(value, Map):
        return tuple(value.items.values())
    return value.options if isinstance(value, Choice) else ()


def ancestors(
    value: Value, cut: frozenset[str] = frozenset(), stop: Container[Value] = ()
) -> Iterator[Value]:
    """A value and all that it was computed from, each once.

    Nothing is followed through outputs of the operations in `cut` (`Tensor.detach`), nor through
    the values in `stop`.
    """
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if one not in stop and not (isinstance(one, Obj) and one.qualname in cut):
            waiting += inputs(one)
