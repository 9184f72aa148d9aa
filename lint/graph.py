"""What a value was computed from: the graph that autograd would build, as far as it is seen."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

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

    def onward(one: Value) -> tuple[Value, ...]:
        ends = one in stop or (isinstance(one, Obj) and one.qualname in cut)
        return () if ends else inputs(one)

    return reached((value,), onward if cut or stop else inputs)


def reached(start: Iterable[Value], onward: Callable[[Value], Iterable[Value]]) -> Iterator[Value]:
    """Values, and all to which steps lead on from them, each once."""
    seen: set[Value] = set()
    waiting = list(start)
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += onward(one)
