"""TRN710."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.checkpoints import contents, handed_over
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Const, Expr, Ref, Value
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.modes import training_of
from trainlint.lint.rule import found, rule

_COMPARES = ("LessThan", "GreaterThan", "LessThanEqual", "GreaterThanEqual")
_MOVES = ("cpu", "cuda", "to", "half", "float", "double", "to_empty", "bfloat16")


@rule("TRN710", Severity.ERROR, needs=(b"state_dict",))
def best_weights_alias(script: Script) -> Iterator[Finding]:
    """The best weights are kept as a reference to the weights that go on being trained.

    `model.state_dict()` copies nothing: its tensors are the model's own, and each later step
    changes them. What is restored or saved after the training is then not the best epoch's
    weights, but the last one's.

    Found where the state is taken in the training loop when some measure has improved, and what
    was kept is loaded or saved after the loop. A copy (`copy.deepcopy`, `clone`), and saving it
    at once, are right.

    Bad:
        import torch
        from torch import nn

        model, best, best_loss = nn.Linear(4, 1), None, float("inf")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
            if loss.item() < best_loss:
                best_loss = loss.item()
                best = model.state_dict()  # TRN710
        model.load_state_dict(best)
    Good:
        import copy
        import torch
        from torch import nn

        model, best, best_loss = nn.Linear(4, 1), None, float("inf")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
            if loss.item() < best_loss:
                best_loss = loss.item()
                best = copy.deepcopy(model.state_dict())
        model.load_state_dict(best)

    Fix safety: the fix copies the state. It is offered where `copy` is imported.
    Source: the PyTorch tutorial "Saving and Loading Models", on keeping the best model's state.
    """
    trained = {(id(one.trace), module): (one.trace, module) for one, module in training_of(script)}
    for trace, module in trained.values():
        loops = _training_loops(trace, module)
        for event in trace.events:
            if event.kind != "state" or event.receiver is not module:
                continue
            loop = _loop_of_choice(event, loops)
            use = _late_use(trace, event, loop) if loop is not None else None
            if loop is not None and use is not None and not _is_replaced(trace, module, loop):
                yield _finding(script, event, use)


def _training_loops(trace: Trace, module: Value) -> set[Loop]:
    """The loops in which a module is trained."""
    return {
        loop
        for event in trace.events
        if event.kind == "step"
        for loop in event.loops
        if module.varies is not None and loop not in module.varies
    }


def _loop_of_choice(event: Event, loops: set[Loop]) -> Loop | None:
    """The outermost training loop in whose passes the state is taken only when it is better."""
    for depth, loop in enumerate(event.loops):
        if loop in loops:
            inner = [one for one in event.conditions if one.depth > depth and one.taken]
            better = any(_is_better(one.value, event.loops) for one in inner)
            return loop if better and not any(one.leaves for one in inner) else None
    return None


def _is_better(value: Value, loops: tuple[Loop, ...]) -> bool:
    """Whether a test compares two measures, and not the number of an epoch."""
    if not isinstance(value, Expr):
        return False
    if value.op in ("and", "or"):
        return any(_is_better(part, loops) for part in value.parts)
    return value.op in _COMPARES and not any(_counts(part, loops) for part in value.parts)


def _counts(value: Value, loops: tuple[Loop, ...]) -> bool:
    """Whether a number is a constant, or made of constants and of what the loops count."""
    return all(
        isinstance(one, (Const, Ref))
        or (isinstance(one, Expr) and one.op not in ("carried", "shared"))
        or (type(one) is Value and one.varies is not None and one.varies <= set(loops))
        for one in ancestors(value)
    )


def _late_use(trace: Trace, event: Event, loop: Loop) -> Event | None:
    """Where the state is loaded or saved once the loop is over."""
    after = trace.events[trace.events.index(event) :]
    for use in after:
        if use.kind in ("load", "save") and loop not in use.loops:
            kept = handed_over(use)
            if kept is not None and any(one is event.result for one in contents(kept)):
                return use
    return None


def _is_replaced(trace: Trace, module: Value, loop: Loop) -> bool:
    """Whether the loop moves the module, so that its weights become other tensors."""
    return any(
        event.callee in _MOVES and event.receiver is module and loop in event.loops
        for event in trace.events
    )


def _finding(script: Script, event: Event, use: Event) -> Finding:
    name = event.receiver_text or "model"
    return found(
        event.site,
        f"`{name}.state_dict()` refers to the weights that go on being trained: by the end it holds"
        " the last ones, not the best",
        related=[(use.site, "here they are taken for the best ones")],
        hint=f"keep a copy: `copy.deepcopy({name}.state_dict())`",
        fix=_fix(script, event),
    )


def _fix(script: Script, event: Event) -> Fix | None:
    if "copy" not in script.names.module.bindings or event.site.script is not script:
        return None
    if not isinstance(event.site.node, cst.Call):
        return None
    edit = script.edit(event.site.node, f"copy.deepcopy({event.site.text})")
    return None if edit is None else Fix("Copy the state", (edit,), safe=True)
