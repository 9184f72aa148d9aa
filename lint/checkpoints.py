"""Checkpoints: whose state is taken, what is saved of it, and what loading it gives back."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.lint.lower.values import Bound, Choice, Const, Expr, Map, Obj, Seq, Value, options_of
from trainlint.lint.model import Event

_STATEFUL = ("module", "optimizer", "scheduler", "scaler")
# What takes or copies a container, and not the tensors in it.
_SHALLOW = ("copy", "builtins.dict", "conditional", "shared", "[]")


def has_torch_state(value: Value) -> bool:
    """Whether `state_dict` and `load_state_dict` of a value are surely torch's own."""
    return all(_is_stateful(option) for option in options_of(value))


def _is_stateful(value: Value) -> bool:
    if not isinstance(value, Obj) or value.kind not in _STATEFUL:
        return False
    if value.cls is None:
        return value.qualname.startswith(("torch.", "torchvision.models."))
    own = any(value.cls.find(name) for name in ("state_dict", "load_state_dict", "__getattr__"))
    return not own and all(root.startswith("torch.") for root in value.cls.roots())


def is_uncalled_state(value: Value) -> bool:
    """`model.state_dict`, without the parentheses."""
    return (
        isinstance(value, Bound)
        and value.name == "state_dict"
        and value.function is None
        and has_torch_state(value.receiver)
    )


def contents(value: Value, depth: int = 0) -> Iterator[Value]:
    """A value, and what it holds without a copy of it: items of containers, of shallow copies."""
    yield value
    if depth > 5:
        return
    for part in _parts(value):
        yield from contents(part, depth + 1)


def _parts(value: Value) -> tuple[Value, ...]:
    if isinstance(value, Map):
        return tuple(value.items.values())
    if isinstance(value, Seq):
        return value.items
    if isinstance(value, Choice):
        return value.options
    if isinstance(value, Expr) and value.op in _SHALLOW:
        return value.parts[:1]
    return ()


def handed_over(event: Event) -> Value | None:
    """What a `save` is given to keep, or a `load_state_dict` to load."""
    keyword = "state_dict" if event.callee == "load_state_dict" else "obj"
    given = event.argument(0, keyword)
    return given.value if given is not None else None


def saved_path(event: Event, position: int = 1) -> str | None:
    """The constant path that a `save` writes, or (at position 0) a `torch.load` reads."""
    given = event.argument(position, "f")
    known = given.value if given is not None else Value()
    return known.value if isinstance(known, Const) and isinstance(known.value, str) else None
