"""TRN511."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.holding import holds, may_be, same_object
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import (
    holders,
    is_torch_optimizer,
    owner_of,
    parameter_parts,
    parents_of,
)
from trainlint.lint.rule import found, rule
from trainlint.lint.training import unconditional

# What may be called on a frozen module that thaws and adds nothing.
_HARMLESS = frozenset({
    "parameters", "named_parameters", "to", "cuda", "cpu", "train", "eval", "requires_grad_",
    "state_dict", "load_state_dict", "half", "float", "double", "zero_grad", "children",
    "modules", "named_modules", "named_children", "forward",
})  # fmt: skip


@rule("TRN511", needs=(b"requires_grad",))
def only_frozen_parameters(script: Script) -> Iterator[Finding]:
    """An optimizer is made of parameters all of which were frozen.

    What does not require a gradient gets none, and the optimizer leaves it as it is. Where all of
    the model was frozen and no new layer was put in, `backward()` fails for want of anything to
    compute, or, with other parts in the loss, the steps change nothing.

    Nothing is said where anything in the script thaws a parameter, or adds to the module.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        for p in model.parameters():
            p.requires_grad = False
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # TRN511
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        for p in model.parameters():
            p.requires_grad = False
        model[2] = nn.Linear(8, 1)
        optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)

    Source: the PyTorch notes "Autograd mechanics", "Setting requires_grad".
    """
    if not script.whole or any(_thaws(e) for trace in script.traces for e in trace.events):
        return
    for trace in script.traces:
        for index, event in enumerate(trace.events):
            if event.kind == "make" and is_torch_optimizer(event.result):
                frozen = _all_frozen(script, trace.events[:index], event)
                if frozen is not None and event.site.script is script:
                    yield _finding(event, frozen)


def _thaws(event: Event) -> bool:
    """Whether an event may make some parameter require its gradient again."""
    if event.kind == "set_attribute" and event.callee == "requires_grad":
        return not _is_false(event.result)
    if event.callee == "requires_grad_" and event.kind in ("method", "opaque"):
        return not event.args or not _is_false(event.args[0].value)
    return event.callee in ("setattr", "builtins.setattr", "unfreeze", "add_param_group")


def _is_false(value: Value) -> bool:
    return isinstance(value, Const) and value.value is False


def _all_frozen(script: Script, before: list[Event], made: Event) -> Event | None:
    """What froze the last of the optimizer's modules, where all of them are frozen."""
    given = made.argument(0, "params")
    if given is None or made.starred:
        return None
    modules = [module for module, _ in parameter_parts(given.value)]
    if not modules or _has_more(given.value, modules):
        return None
    found_last = None
    for module in modules:
        found_last = _frozen_by(script, before, made, module)
        if found_last is None:
            return None
    return found_last


def _has_more(given: Value, modules: list[Value]) -> bool:
    """Whether there is more in what the optimizer is given than these modules' parameters."""
    return not (isinstance(given, Obj) and given.kind == "parameters") or len(modules) != 1


def _frozen_by(script: Script, before: list[Event], made: Event, module: Value) -> Event | None:
    """The event that froze a module, or one that it is a part of; None if it may have changed."""
    around = holders(module, parents_of(script))
    for index in range(len(before) - 1, -1, -1):
        event = before[index]
        target = _frozen_module(event)
        if target is None or not any(same_object(target, one) for one in around):
            continue
        since = before[index + 1 :]
        plain = unconditional(event, made) and not set(event.loops[:-1]) - set(made.loops)
        changed = any(_changes(one, around) for one in since)
        return event if plain and not changed else None
    return None


def _frozen_module(event: Event) -> Value | None:
    """The module that an event freezes as a whole."""
    one = event.receiver
    if event.callee == "requires_grad_" and isinstance(one, Obj) and one.kind == "module":
        return one if event.args and _is_false(event.args[0].value) else None
    parameter = event.kind == "set_attribute" and event.callee == "requires_grad"
    called = event.callee == "requires_grad_" and event.kind in ("method", "opaque")
    if not (parameter or called) or not event.loops:
        return None
    over = event.loops[-1].over
    whole = isinstance(over, Obj) and over.kind == "parameters" and bool(over.args)
    inner = [one for one in event.conditions if one.depth >= len(event.loops)]
    return unwrapped(over.args[0]) if whole and isinstance(over, Obj) and not inner else None


def _changes(event: Event, around: set[Value]) -> bool:
    """Whether an event may add to a module, or hand it to code that does."""
    if event.kind in ("set_attribute", "set_item"):
        return _touches(event.receiver, around) and event.callee != "requires_grad"
    if event.kind == "opaque":
        if any(holds(arg.value, one) for arg in event.args for one in around):
            return True
        return event.callee not in _HARMLESS and _touches(event.receiver, around)
    return (
        event.kind == "method"
        and _touches(event.receiver, around)
        and (event.callee not in _HARMLESS)
    )


def _touches(receiver: Value, around: set[Value]) -> bool:
    value: Value | None = receiver
    while value is not None:
        if any(may_be(value, one) for one in around):
            return True
        value = owner_of(value)
    return False


def _finding(made: Event, frozen: Event) -> Finding:
    given = made.argument(0, "params")
    text = given.text if given is not None else "its parameters"
    return found(
        made.site,
        f"the optimizer is made of `{text}`, all of which were frozen: it trains nothing",
        related=[(frozen.site, "they are frozen here")],
        hint="replace or thaw the layers that are to be trained, and hand over their parameters",
    )
