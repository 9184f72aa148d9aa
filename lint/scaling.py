"""Gradient scalers: which backward is scaled, which step unscales, and what unseen code may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Choice, Const, Expr, Obj, Value, options_of
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import Pass, exclusive, may_train, pass_of
from trainlint.lint.training import escaped


def live_scaler(value: Value | None) -> Obj | None:
    """The GradScaler that a value is, if it is one, made here, and not switched off for good.

    One of which nobody knows whether it is enabled counts: where it is, the mistake is real.
    """
    if not isinstance(value, Obj) or value.kind != "scaler" or value.cls is not None:
        return None
    enabled = value.kwargs.get("enabled")
    return None if enabled is not None and _may_be_off(enabled) else value


def _may_be_off(enabled: Value) -> bool:
    return any(isinstance(one, Const) and not one.value for one in options_of(enabled))


def scaler_of_backward(event: Event) -> Obj | None:
    """The live scaler whose `scale` made what a backward starts from."""
    if event.kind != "backward" or event.callee != "backward":
        return None
    for value in ancestors(event.receiver):
        if isinstance(value, Obj) and value.qualname == "GradScaler.scale":
            return live_scaler(value.args[-1])
    return None


def of_nothing(event: Event) -> bool:
    """Whether an event's receiver is None: a scaler that this run does without."""
    return isinstance(event.receiver, Const)


def is_twin(event: Event, scaler: Value | None) -> bool:
    """Whether a backward is what another one would be with no scaler: `scaler` may be None."""
    node = event.receiver_node
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    return node.func.attr.value == "scale" and scaler is not None


def is_plain_backward(event: Event) -> bool:
    """Whether a backward starts from a tensor that surely no scaler has scaled."""
    if event.kind != "backward" or event.callee != "backward":
        return False
    receiver = event.receiver
    if isinstance(receiver, Choice) or not isinstance(receiver, (Obj, Expr)):
        return False
    if isinstance(receiver, Obj) and receiver.kind != "output":
        return False
    made = list(ancestors(receiver))
    scaled = any(isinstance(one, Obj) and one.qualname == "GradScaler.scale" for one in made)
    return not scaled and all(_is_seen(one) for one in _tops(receiver))


def _tops(value: Value) -> Iterable[Value]:
    """The tensors that a loss adds up."""
    if isinstance(value, Expr):
        for part in value.parts:
            yield from _tops(part)
    else:
        yield value


def _is_seen(value: Value) -> bool:
    return isinstance(value, Const) or (isinstance(value, Obj) and value.kind == "output")


def unscaled_by_hand(trace: Trace) -> bool:
    """Whether anything in a trace works on gradients itself, or reads the scaler's factor."""
    for event in trace.events:
        if event.callee in ("get_scale", "_unscale_grads_") or event.kind == "set_grad":
            return True
        if ".grad" in event.receiver_text and event.callee not in ("zero_", "zero_grad"):
            return True
        if event.kind in ("opaque", "call") and any(".grad" in arg.text for arg in event.args):
            return True
    return False


def made_here(scaler: Obj) -> bool:
    """Whether a scaler was made by a call that is seen, rather than handed over."""
    return scaler.site is not None and isinstance(scaler.site.node, cst.Call)


def same_scaler(one: Value | None, other: Value | None) -> bool:
    """Whether two values are one scaler, as two methods of one class see it."""
    if one is other:
        return one is not None
    if not isinstance(one, Obj) or not isinstance(other, Obj):
        return False
    return one.site is not None and other.site is not None and one.site.node is other.site.node


def scaled_steps(script: Script) -> Iterator[tuple[Pass, Event, Obj]]:
    """The steps that a live scaler takes in loops: the pass, the event, the scaler.

    Left out are scalers that were not made here, or that code unseen gets hold of.
    """
    for trace in script.traces:
        for event in trace.events:
            scaler = live_scaler(event.scaler) if event.kind == "step" else None
            if scaler is None or not event.loops or not made_here(scaler):
                continue
            if not escaped(script, scaler):
                yield pass_of(trace, event), event, scaler


def gradients_of(pass_: Pass, step: Event) -> list[Event] | None:
    """The backwards before a step, in the same pass, whose gradients it can take.

    None where code that is not seen may have made some of them, or changed them.
    """
    found: list[Event] = []
    for event in pass_.before(step, around=False):
        if exclusive(event, step):
            continue
        if event.kind == "backward":
            found.append(event)
        elif event.kind in ("step", "zero_grad") and found:
            break
        elif may_train(event) and event not in pass_.computing:
            return None
    return found
