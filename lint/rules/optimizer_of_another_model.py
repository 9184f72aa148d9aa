"""TRN113."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autograd import Autograd
from trainlint.lint.clipping import trained_by
from trainlint.lint.holding import origin
from trainlint.lint.lower.values import Obj, Value, options_of
from trainlint.lint.model import Event, Script
from trainlint.lint.own_parts import parts_of
from trainlint.lint.passes import may_train, pass_of
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, escaped, texts_of, updates

# What puts gradients in place, other parameters into an optimizer, or others' tensors into a model.
_OTHERWISE = re.compile(
    rb"\.grad\b|\._grad\b|autograd\.(grad|functional)|add_param_group|param_groups"
    rb"|children\(|named_modules\(|_modules\b|get_submodule|list\([\w.]+\.modules\("
    rb"|set_state|__dict__|setattr\(|register_parameter|register_module|swap_tensors|torch\.func"
)


@rule("TRN113", Severity.ERROR, needs=(b".step(",))
def optimizer_of_another_model(script: Script) -> Iterator[Finding]:
    """The optimizer that steps holds another model's parameters than the one that is trained.

    The gradients go to the model that made the loss. The step finds none in the parameters that it
    holds, and moves nothing. It happens where a model is made anew after its optimizer, or where
    two of them are mixed up.

    Found where no `backward()` of the script reaches what the optimizer holds. Nothing is said
    where anything that a loss is made of is not known, where the two models share a part, where
    another optimizer steps the model that is trained, or where gradients are handled in person.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model = nn.Linear(4, 1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()  # TRN113

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.optim ("Constructing it": the optimizer is given the
    parameters that it is to move).
    """
    if not script.whole or not script.complete or _handles_gradients(script):
        return
    steps = [one for one in updates(script) if trained_by(one.optimizer) is not None]
    trained = _trained(script) if steps else None
    for update in steps:
        if trained and _is_of_others(script, update, trained):
            yield _finding(update)


def _handles_gradients(script: Script) -> bool:
    if any(_OTHERWISE.search(text) for text in texts_of(script)):
        return True
    if any(script.events("hook")):
        return True
    return any(_ties(event) for event in script.events("set_attribute"))


def _ties(event: Event) -> bool:
    """Whether a part of something that is not seen is set: it may be another model's."""
    return any(
        not isinstance(owner, Obj) or owner.kind == "parameters"
        for owner in options_of(event.receiver)
    )


def _trained(script: Script) -> set[Value] | None:
    """The modules that take part in any loss of the script; None where one is not known."""
    autograd = Autograd(script)
    modules: set[Value] = set()
    for event in script.events("backward"):
        reached = autograd.sources(event)
        if not reached:
            return None
        modules |= reached
    return modules


def _is_of_others(script: Script, update: Update, trained: set[Value]) -> bool:
    """Whether nothing that an update's optimizer holds gets a gradient."""
    held = trained_by(update.optimizer)
    if held is None or update.cycle is None or (update.step.args and update.step.scaler is None):
        return False
    if _may_share(script, held, trained):
        return False
    if any(escaped(script, one) for one in held | trained | {update.optimizer}):
        return False
    return not _steps_them(script, update, trained) and not _may_be_trained_unseen(update)


def _may_share(script: Script, some: set[Value], others: set[Value]) -> bool:
    """Whether two sets of modules may have parameters in common.

    Each method is followed with an instance of its own: what is made at one place may be one.
    """
    mine, theirs = parts_of(script, some), parts_of(script, others)
    if mine is None or theirs is None or mine & theirs:
        return True
    some, others = _outermost(script, some), _outermost(script, others)
    return bool(_origins(some) & _origins(theirs) or _origins(others) & _origins(mine))


def _outermost(script: Script, modules: set[Value]) -> set[Value]:
    """Those that are no part of another one."""
    inside: set[Value] = set()
    for one in modules:
        inside |= (parts_of(script, [one]) or set()) - {one}
    return modules - inside


def _origins(values: set[Value]) -> set[object]:
    return {origin(one) for one in values}


def _steps_them(script: Script, update: Update, trained: set[Value]) -> bool:
    """Whether another optimizer in the same pass may hold what is trained."""
    for event in pass_of(update.trace, update.backward).events:
        if event.kind == "step" and event.receiver is not update.optimizer:
            held = trained_by(event.receiver)
            if held is None or _may_share(script, held, trained):
                return True
    return False


def _may_be_trained_unseen(update: Update) -> bool:
    pass_ = pass_of(update.trace, update.backward)
    return any(may_train(event) and event not in pass_.computing for event in pass_.events)


def _finding(update: Update) -> Finding:
    name = update.step.receiver_text or "optimizer"
    made = update.optimizer.site if isinstance(update.optimizer, Obj) else None
    related = [(update.backward.site, "these gradients go to another model")]
    related += [(made, "the optimizer is made here")] if made is not None else []
    return found(
        update.step.site,
        f"`{name}` holds no parameter of the model that makes the loss: the step moves nothing",
        related=related,
        hint="make the optimizer after the model, of the model that is trained",
    )
