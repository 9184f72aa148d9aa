"""One pass of a training loop: which events happen together in it, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from trainlint.lint.graph import ancestors
from trainlint.lint.lower import known
from trainlint.lint.lower.values import (
    Bound,
    Choice,
    Const,
    Expr,
    Func,
    Map,
    Obj,
    Partial,
    Seq,
    Value,
)
from trainlint.lint.model import Condition, Event, Loop, Site, Trace
from trainlint.lint.shapes import number

# A test by what it looks at, and its outcome.
Outcome = tuple[object, bool]

# Operations whose result is not told by what they were made of.
_UNLIKE = frozenset({"carried", "shared", "conditional", "comprehension", "?"})


# -- conditions ----------------------------------------------------------------------------------


def outcomes(event: Event) -> frozenset[Outcome]:
    """What must hold for an event to happen; `not`, `and`, `or` and `is None` taken apart."""
    return frozenset[Outcome]().union(*(asked(condition) for condition in event.conditions))


def asked(condition: Condition) -> frozenset[Outcome]:
    """What one condition asks for."""
    return frozenset(_outcomes(condition.value, condition.taken))


def _outcomes(value: Value, taken: bool) -> Iterator[Outcome]:
    if isinstance(value, Const):
        if bool(value.value) != taken:
            yield value, taken  # as written now, it never happens
        return
    op, parts = (value.op, value.parts) if isinstance(value, Expr) else ("", ())
    if op == "not":
        yield from _outcomes(parts[0], not taken)
    elif op == ("and" if taken else "or"):
        for part in parts:
            yield from _outcomes(part, taken)
    elif op in ("Is", "IsNot") and isinstance(parts[1], Const) and parts[1].value is None:
        yield from _outcomes(parts[0], taken == (op == "IsNot"))
    elif op == "NotEqual":
        yield ("==", *map(_key, parts)), not taken
    else:
        yield _key(value), taken


def _key(value: Value, depth: int = 0) -> object:
    """The same for two values that are surely equal within one pass."""
    if isinstance(value, Const):
        return type(value.value), value.value
    if isinstance(value, Expr) and value.op not in _UNLIKE and depth < 8:
        return (value.op, *(_key(part, depth + 1) for part in value.parts))
    return value


def exclusive(one: Event, other: Event) -> bool:
    """Whether two events cannot both happen in one pass: they lie in two branches."""
    mine, theirs = outcomes(one), outcomes(other)
    if any((key, not taken) in theirs for key, taken in mine):
        return True
    return _is_prefix(one.path, other.path) and any(
        left.site.node is right.site.node and left.taken != right.taken
        for left in one.conditions
        for right in other.conditions
    )


def _is_prefix(one: tuple[Site, ...], other: tuple[Site, ...]) -> bool:
    return all(left is right for left, right in zip(one, other, strict=False))


def implied(event: Event, *by: Event) -> bool:
    """Whether an event happens wherever all of some others do."""
    known_outcomes = frozenset[Outcome]().union(*(outcomes(one) for one in by))
    return outcomes(event) <= known_outcomes


def extra(event: Event, other: Event) -> list[Condition]:
    """The conditions of an event that another one does not have."""
    known_outcomes = outcomes(other)
    return [condition for condition in event.conditions if not asked(condition) <= known_outcomes]


# -- order ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pass:
    """The events of one pass through a loop, or of a whole trace where `cycle` is None."""

    trace: Trace
    cycle: Loop | None
    events: list[Event]

    def before(self, event: Event, *, around: bool = True) -> Iterator[Event]:
        """Events before one, the nearest first; `around`: on into the pass before."""
        at = self.events.index(event)
        yield from reversed(self.events[:at])
        if around and self.cycle is not None:
            yield from reversed(self.events[at + 1 :])

    def after(self, event: Event, *, around: bool = True) -> Iterator[Event]:
        """Events after one, the nearest first; `around`: on into the next pass."""
        at = self.events.index(event)
        yield from self.events[at + 1 :]
        if around and self.cycle is not None:
            yield from self.events[:at]

    @cached_property
    def computing(self) -> frozenset[Event]:
        """The calls of unseen code whose results the backwards start from: they only compute."""
        wanted: set[Value] = set()
        found: set[Event] = set()
        for event in reversed(self.events):
            if event.kind == "backward":
                wanted.update(ancestors(event.receiver))
                wanted.update(arg.value for arg in event.args)
            elif event.kind == "opaque" and event.result in wanted:
                found.add(event)
                handed = [arg.value for arg in event.args]
                for value in (event.receiver, *handed):
                    wanted.update(ancestors(value))
        return frozenset(found)

    def between(self, first: Event, last: Event) -> list[Event]:
        """The events between two."""
        return self.events[self.events.index(first) + 1 : self.events.index(last)]


def pass_of(trace: Trace, event: Event) -> Pass:
    """The pass that an event belongs to: that of the innermost loop around it that goes back."""
    for loop in reversed(event.loops):
        inside = [one for one in trace.events if loop in one.loops]
        if any(one.kind == "backward" for one in inside):
            return Pass(trace, loop, inside)
    return Pass(trace, None, trace.events)


def pass_count(loop: Loop) -> int | None:
    """How many passes a loop makes, where constants say so and nothing leaves it before."""
    over = loop.over
    if isinstance(over, Seq):
        return len(over.items)
    if not isinstance(over, Expr) or over.op != "builtins.range":
        return None
    bounds = [bound for bound in map(number, over.parts) if bound is not None]
    known_all = len(bounds) == len(over.parts) and 0 < len(bounds) <= 3 and 0 not in bounds[2:]
    return len(range(*bounds)) if known_all else None


def runs_once(loop: Loop) -> bool:
    """`for _ in range(1)`, or a loop that is left at the end of its first pass."""
    return loop.leaves_at_once or pass_count(loop) in (0, 1)


# -- what code that is not seen may do -----------------------------------------------------------

_CARRIES = frozenset({"module", "optimizer", "scaler", "parameters", "gradient", "loss"})
_CUTS = frozenset(
    {"Tensor.item", "Tensor.detach", "Tensor.tolist", "Tensor.numpy", "Tensor.argmax"}
)


# Methods of anything that read, count or print.
_READS = frozenset(
    """
    append extend buffers children close debug dim format get info item items keys modules
    named_modules named_parameters parameters randn size values warning write set_description
    set_postfix set_postfix_str get_last_lr get_scale
""".split()
)


def may_train(event: Event) -> bool:
    """Whether an event is a call of code that is not seen and that could touch gradients.

    It could if it gets hold of a model, an optimizer, a loss, or anything of the script's own; or
    if it is a method of something unknown that no tensor has.
    """
    if event.kind != "opaque":
        return False
    if any(_carries(arg.value) for arg in event.args):
        return True
    receiver = event.receiver
    if _carries(receiver):
        return True
    plain = event.callee.split(".")[-1]
    if plain in known.TENSOR_METHODS or plain in known.RETURNS_SELF or plain in _READS:
        return False
    return type(receiver) is Value or isinstance(receiver, Bound)


def _carries(value: Value, depth: int = 0) -> bool:
    if depth > 4:
        return True
    parts: Iterable[Value] = ()
    if isinstance(value, Obj):
        if value.kind == "output":
            return value.qualname not in _CUTS
        return value.kind in _CARRIES or value.cls is not None
    if isinstance(value, (Func, Partial)):
        return True
    if isinstance(value, Bound):
        return _carries(value.receiver, depth + 1)
    if isinstance(value, Seq):
        parts = value.items
    elif isinstance(value, Map):
        parts = value.items.values()
    elif isinstance(value, Choice):
        parts = value.options
    return any(_carries(part, depth + 1) for part in parts)
