"""Training and evaluation mode: which layers it changes, which calls set it, who may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.graph import ancestors
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Class, Const, Func, Map, Obj, Seq, Value, options_of
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.training import Update, escaped, held_by, updates

NO_GRAD = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad",
           "torch.autograd.grad_mode.no_grad", "torch.autograd.inference_mode")  # fmt: skip

_MODAL = re.compile(r"^torch\.nn\.(\w*Dropout\w*|\w*BatchNorm\w*|RReLU)$")
_MAYBE_MODAL = re.compile(r"^torch\.nn\.(RNN|LSTM|GRU|MultiheadAttention)$")
_TRANSFORMER = re.compile(r"^torch\.nn\.Transformer\w*$")
_DEEPEST = 8


def holds_modal_layers(script: Script, module: Value, depth: int = 0) -> bool | None:
    """Whether a module behaves differently in the two modes: Dropout, BatchNorm and the like.

    True where such a layer is seen, False where surely none is there, else None.
    """
    module = unwrapped(module)
    if not isinstance(module, Obj) or depth > _DEEPEST:
        return None
    if module.cls is None:
        return _of_torch(script, module, depth)
    answers = [holds_modal_layers(script, part, depth + 1) for part in parts_of(script, module)]
    if True in answers:
        return True
    plain = all(root.startswith("torch.nn.") for root in module.cls.roots())
    return False if plain and None not in answers and not _reads_mode(module.cls) else None


def parts_of(script: Script, module: Obj) -> Iterator[Value]:
    """What the script put into a module: layers that it was made of, and attributes that are set.

    Plain numbers, strings and the like are left out.
    """
    given = [*module.args, *module.kwargs.values()] if module.cls is None else []
    given += [event.result for event in script.events("set_attribute") if event.receiver is module]
    for value in given:
        for option in options_of(value):
            if isinstance(option, (Seq, Map)):
                items = option.items if isinstance(option, Seq) else option.items.values()
                yield from (one for one in items if not isinstance(one, Const))
            elif not isinstance(option, (Const, Func, Class)):
                yield option


def _of_torch(script: Script, module: Obj, depth: int) -> bool | None:
    name = module.qualname
    if name.startswith("torchvision.models."):
        return True
    if _MODAL.match(name):
        return not _is_zero(module.args[0] if module.args else module.kwargs.get("p"))
    if _TRANSFORMER.match(name):
        return None if "dropout" in module.kwargs else True
    if _MAYBE_MODAL.match(name):
        return None if "dropout" in module.kwargs or len(module.args) > 3 else False
    if name in ("torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict"):
        answers = [holds_modal_layers(script, part, depth + 1) for part in parts_of(script, module)]
        return True if True in answers else None if None in answers or module.changed else False
    return False if name.startswith("torch.nn.") else None


def _is_zero(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value == 0 and value.value is not False


def _reads_mode(cls: Class) -> bool:
    """Whether a class of the script's may ask for its mode, or drop out by a function."""
    for one in cls.mro():
        if one.node is None or one.script is None:
            return True
        text = one.script.module.code_for_node(one.node)
        if "training" in text or "ropout" in text or "batch_norm" in text:
            return True
    return False


# -- setting the mode ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ModeCall:
    """A call that puts a module into a mode; `training` is None where the mode is not known."""

    event: Event
    training: bool | None
    index: int  # in its trace

    @property
    def module(self) -> Value:
        """The module that is put into it, wrappers taken off."""
        return unwrapped(self.event.receiver)


def mode_calls(trace: Trace) -> Iterator[ModeCall]:
    """The calls of `train` and `eval` in one trace, and what sets `training`."""
    for index, event in enumerate(trace.events):
        if event.kind == "eval":
            yield ModeCall(event, False, index)
        elif event.kind == "train":
            mode = event.argument(0, "mode")
            known = mode.value if mode is not None else Const(value=not event.args)
            flag = known.value if isinstance(known, Const) else None
            yield ModeCall(event, flag if isinstance(flag, bool) else None, index)
        elif _may_set_mode(event):
            yield ModeCall(event, None, index)


def _may_set_mode(event: Event) -> bool:
    """`model.training = …`, a `train` of the script's own, `nn.Module.eval(model)`."""
    if event.kind == "set_attribute":
        return event.callee == "training"
    name = event.callee.rpartition(".")[2]
    return event.kind in ("method", "call") and name in ("train", "eval")


def may_concern(script: Script, call: ModeCall, module: Value) -> bool:
    """Whether a call may change the mode of a module: its own, or that of what may hold it."""
    receiver = call.module
    if receiver is module or not isinstance(receiver, Obj):
        return True
    if receiver.kind == "loss":
        return False
    return not _is_apart(script, receiver, module) or not _is_apart(script, module, receiver)


def _is_apart(script: Script, outer: Value, inner: Value, depth: int = 0) -> bool:
    """Whether one module surely does not hold another."""
    if outer is inner or depth > _DEEPEST or not isinstance(outer, Obj):
        return False
    if outer.kind != "module":
        return False
    parts = [unwrapped(part) for part in parts_of(script, outer)]
    if any(type(part) is Value and part.varies is None for part in parts):
        return False  # code unseen made it
    return all(
        _is_apart(script, part, inner, depth + 1)
        for part in parts
        if isinstance(part, Obj) and part.kind == "module"
    )


def may_restore(script: Script, trace: Trace, module: Value, loop: Loop | None) -> bool:
    """Whether anything in a loop, or the trace, may put a module back into training mode."""
    for call in mode_calls(trace):
        if loop is not None and loop not in call.event.loops:
            continue
        if call.training is not False and may_concern(script, call, module):
            return True
    held = escaped(script, module)
    inside = [event for event in trace.events if loop is None or loop in event.loops]
    return any(
        _is_unseen_exit(event)
        or (event.kind == "opaque" and (is_handed(event, module) or (held and _is_method(event))))
        for event in inside
    )


def is_handed(event: Event, module: Value) -> bool:
    """Whether a call gets hold of a module: as an argument, or because it was got from it."""
    if any(held_by(arg.value, module) for arg in event.args):
        return True
    made = event.receiver
    return isinstance(made, Obj) and made.kind == "output" and module in ancestors(made)


def _is_unseen_exit(event: Event) -> bool:
    """A context of the script's own: what its end does is not followed."""
    entered = event.receiver
    return event.kind == "enter" and isinstance(entered, Obj) and entered.cls is not None


def is_wrapped(event: Event) -> bool:
    """Whether a decorator of the script's own may do more around an event."""
    known = ("torch.", "staticmethod", "classmethod", "property")
    return any(
        not (dotted(one.decorator) or code_of(one.decorator)).startswith(known)
        for function in event.functions
        if isinstance(function, cst.FunctionDef)
        for one in function.decorators
    )


def code_of(node: cst.BaseExpression) -> str:
    """The name that a decorator with arguments calls."""
    return (dotted(node.func) or "?") if isinstance(node, cst.Call) else "?"


def _is_method(event: Event) -> bool:
    """Whether the callee is a method of an object of which nothing is known."""
    return type(event.receiver) in (Value, Obj) and isinstance(event.site.node, cst.Call)


# -- what is trained -----------------------------------------------------------------------------


def trained_by(update: Update) -> set[Value]:
    """The modules whose parameters an optimizer was made of, wrappers taken off."""
    optimizer = update.optimizer
    if not isinstance(optimizer, Obj):
        return set()
    given = optimizer.args[0] if optimizer.args else optimizer.kwargs.get("params", Value())
    owners = {
        one.args[0]
        for one in ancestors(given)
        if isinstance(one, Obj) and one.kind == "parameters" and one.args
    }
    return {unwrapped(one) for one in owners}


def training_of(script: Script) -> Iterator[tuple[Update, Value]]:
    """Each update, with each module that it surely trains: its output is in the loss."""
    for update in updates(script):
        owners = trained_by(update)
        loss = update.backward.receiver
        used = used_in(loss)
        for module in used:
            if module in owners:
                yield update, module


def used_in(value: Value) -> list[Value]:
    """The modules through which a value was computed, wrappers taken off, each once."""
    found = (
        unwrapped(one.args[0])
        for one in ancestors(value)
        if isinstance(one, Obj) and one.kind == "output" and not one.qualname and one.args
    )
    return list(dict.fromkeys(found))


def happens_each_pass(event: Event, loop: Loop) -> bool:
    """Whether an event happens in every pass of a loop, or in every so many."""
    depth = event.loops.index(loop) + 1
    for condition in event.conditions:
        if condition.depth < depth:
            continue  # decided before the loop
        varies = condition.value.varies
        stands = varies is not None and loop not in varies
        if not stands and not (condition.periodic and not condition.leaves):
            return False
    return True
