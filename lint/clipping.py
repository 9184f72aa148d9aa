"""Clipping calls: what they clip, and which gradients they meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import (
    Choice,
    Const,
    Expr,
    Obj,
    Ref,
    Seq,
    Value,
    options_of,
)
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.own_parts import reach_of
from trainlint.lint.passes import Pass, exclusive, implied, may_train, pass_of
from trainlint.lint.training import clears_to_none

LIMITS = {
    "clip_grad_norm_": "max_norm",
    "clip_grad_norm": "max_norm",
    "clip_grad_value_": "clip_value",
}


def is_clip(event: Event) -> bool:
    """Whether an event is a call of one of torch's own functions that clip gradients."""
    return event.kind == "clip" and event.callee.startswith("torch.nn.utils.")


def clips(script: Script) -> Iterator[tuple[Trace, Event]]:
    """The calls of torch's clipping functions, each with its trace."""
    for trace in script.traces:
        for event in trace.events:
            if is_clip(event):
                yield trace, event


def only_measures(event: Event) -> bool:
    """Whether the limit is infinite: the call is made for the norm that it returns."""
    keyword = LIMITS.get(event.callee.split(".")[-1], "")
    limit = event.argument(1, keyword)
    if limit is None:
        return False
    return any(_is_infinite(option) for option in options_of(limit.value))


def _is_infinite(value: Value) -> bool:
    if isinstance(value, Ref):
        return value.name in ("math.inf", "torch.inf", "numpy.inf", "numpy.Inf")
    if isinstance(value, Expr) and value.op == "builtins.float" and value.parts:
        return _is_infinite(value.parts[0])
    if isinstance(value, Const):
        text = str(value.value).lower()
        return text in ("inf", "infinity", "+inf") or (
            isinstance(value.value, float) and value.value >= 1e6
        )
    return False


# -- whose gradients -----------------------------------------------------------------------------


def owners(given: Value) -> set[Value] | None:
    """The modules whose parameters a value holds, wrappers taken off; None where not known."""
    if isinstance(given, Obj) and given.kind == "parameters":
        owner = unwrapped(given.args[0]) if given.args else None
        return {owner} if isinstance(owner, Obj) and owner.kind == "module" else None
    parts: Iterable[Value] = ()
    if isinstance(given, Seq):
        parts = given.items
    elif isinstance(given, Choice):
        parts = given.options
    elif isinstance(given, Expr) and given.op in _GATHERS:
        parts = given.parts
    found: set[Value] = set()
    for part in parts:
        some = owners(part)
        if some is None:
            return None
        found |= some
    return found or None


_GATHERS = ("builtins.list", "builtins.tuple", "+", "itertools.chain")


def trained_by(optimizer: Value) -> set[Value] | None:
    """The modules whose parameters an optimizer was made of; None where not known."""
    if not isinstance(optimizer, Obj) or optimizer.kind != "optimizer":
        return None
    given = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params")
    return None if given is None else owners(given)


def may_share(script: Script, one: Value, other: Value) -> bool:
    """Whether one module may hold another, or a third that both hold.

    A module holds what is set on it, and what it was made with. Of one whose making is not seen
    nobody knows what it holds.
    """
    made = {event.result for event in script.events("make")}
    if one not in made or other not in made:
        return True
    shared = reach_of(script, (one,)) & reach_of(script, (other,))
    return any(
        isinstance(value, Obj) and value.kind in ("module", "parameters") for value in shared
    )


def concerns(clip: Event, optimizer: Value, pass_: Pass) -> bool | None:
    """Whether a call clips what an optimizer steps; None where that is not known."""
    given = clip.argument(0, "parameters")
    clipped = owners(given.value) if given is not None else None
    trained = trained_by(optimizer)
    if clipped is not None and trained is not None and clipped & trained:
        return True
    others = {one.receiver for one in pass_.events if is_step(one, pass_)}
    return True if others == {optimizer} else None


def is_step(event: Event, pass_: Pass) -> bool:
    """Whether an event is the step of an optimizer: of a known one, or one that clears too."""
    if event.kind != "step":
        return False
    receiver = event.receiver
    if isinstance(receiver, Obj):
        return receiver.kind == "optimizer"
    if isinstance(receiver, Choice):
        return all(isinstance(one, Obj) and one.kind == "optimizer" for one in receiver.options)
    roles = {one.kind for one in pass_.trace.events if one.receiver is receiver}
    return "zero_grad" in roles and not roles & {"backward", "forward"}


# -- which gradients -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What surely happens to the clipped gradients just before a clipping call, and after it."""

    clip: Event
    pass_: Pass
    before: Event
    after: Event


def surroundings(trace: Trace, clip: Event) -> Surroundings | None:
    """The steps, clearings and backwards next to a call; None where one of them is not sure."""
    pass_ = pass_of(trace, clip)
    before = _nearest(clip, pass_.before(clip), pass_)
    after = _nearest(clip, pass_.after(clip), pass_)
    if before is None or after is None:
        return None
    return Surroundings(clip, pass_, before, after)


def _nearest(clip: Event, events: Iterable[Event], pass_: Pass) -> Event | None:
    for event in events:
        if exclusive(event, clip):
            continue
        if event.kind == "set_grad" and not clears_to_none(event):
            return None
        if may_train(event) and event not in pass_.computing:
            return None
        if event.kind == "backward":
            return event
        if not (is_step(event, pass_) or event.kind == "zero_grad" or clears_to_none(event)):
            continue
        sure = implied(event, clip) and event.loops == clip.loops
        return event if sure and _concerns(clip, event, pass_) else None
    return None


def _concerns(clip: Event, event: Event, pass_: Pass) -> bool:
    """Whether a step or clearing is one of the gradients that a call clips."""
    if event.kind == "step":
        return concerns(clip, event.receiver, pass_) is True
    if clears_to_none(event):
        return False
    given = clip.argument(0, "parameters")
    clipped = owners(given.value) if given is not None else None
    if clipped is not None and clipped == {unwrapped(event.receiver)}:
        return True
    if isinstance(event.receiver, Obj) and event.receiver.kind == "module":
        return given is not None and _is_of(given.value, event.receiver)
    return concerns(clip, event.receiver, pass_) is True


def _is_of(given: Value, module: Value) -> bool:
    return isinstance(given, Obj) and bool(given.args) and given.args[0] is module
