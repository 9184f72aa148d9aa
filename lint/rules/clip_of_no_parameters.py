"""TRN219."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.clipping import LIMITS, is_clip
from trainlint.lint.lower.known import LOSS_FUNCTIONS
from trainlint.lint.lower.values import Const, Obj, Value
from trainlint.lint.model import Argument, Event, Script
from trainlint.lint.rule import found, rule


@rule("TRN219", Severity.ERROR, needs=(b"clip_grad",))
def clip_of_no_parameters(script: Script) -> Iterator[Finding]:
    """A clipping function is handed something that is no parameters, or no limit.

    `clip_grad_norm_` and `clip_grad_value_` take parameters (or an iterable of them) and a limit.
    A model is no iterable of parameters: the call raises an error. A loss or an output has no
    `.grad` of its own: the call clips nothing.

    Nothing is said of arguments that are not known, of a class that says itself what iterating
    over it gives, or of tensors that keep their gradient.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            nn.utils.clip_grad_norm_(model, 1.0)  # TRN219
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    Fix safety: a model that is handed over becomes `model.parameters()`, which is the only thing
    that the call can have meant.
    Source: the documentation of torch.nn.utils.clip_grad_norm_ and clip_grad_value_.
    """
    for event in script.events("clip"):
        if not is_clip(event) or event.callee.endswith("clip_grads_with_norm_"):
            continue
        given = event.argument(0, "parameters")
        if given is not None and _is_module(given.value):
            yield _of_module(script, event, given)
        elif given is not None and _is_result(script, given.value):
            yield _of_result(event, given)
        elif given is not None and isinstance(given.value, Const):
            yield _swapped(event, given)
        elif _lacks_limit(event):
            yield _without_limit(event)


def _is_module(value: Value) -> bool:
    if not isinstance(value, Obj) or value.kind != "module":
        return False
    roots = [value.qualname] if value.cls is None else value.cls.roots()
    if any(not root.startswith(("torch.nn.", "torchvision.models.")) for root in roots):
        return False
    if any(root.startswith("torch.nn.Parameter") for root in roots):
        return False
    return value.cls is None or value.cls.find("__iter__") is None


def _is_result(script: Script, value: Value) -> bool:
    """Whether a value is what a model or a loss made, which keeps no gradient of its own."""
    if not isinstance(value, Obj) or value.kind != "output" or not value.args:
        return False
    if value.qualname and value.qualname not in LOSS_FUNCTIONS:
        return False
    kept = any(
        event.callee in ("retain_grad", "requires_grad_") and event.receiver is value
        for event in script.events("method", "opaque")
    )
    return not kept and value.returned is None


def _lacks_limit(event: Event) -> bool:
    keyword = LIMITS.get(event.callee.split(".")[-1], "")
    plain = [arg for arg in event.args if arg.keyword is None]
    named = {arg.keyword for arg in event.args}
    return not event.starred and len(plain) < 2 and keyword not in named


def _of_module(script: Script, event: Event, given: Argument) -> Finding:
    text = f"{given.text}.parameters()"
    fix = None
    if event.site.script is script and given.site.script is script:
        edit = script.edit(given.site.node, text)
        fix = None if edit is None else Fix(f"Hand over `{text}`", (edit,), safe=True)
    return found(
        given.site,
        f"`{given.text}` is a model, not its parameters: the call raises an error",
        hint=f"hand over `{text}`",
        fix=fix,
    )


def _of_result(event: Event, given: Argument) -> Finding:
    return found(
        given.site,
        f"`{given.text}` has no gradient of its own: the call clips nothing",
        hint="hand over the model's parameters, after `backward()`",
    )


def _swapped(event: Event, given: Argument) -> Finding:
    return found(
        given.site,
        f"`{given.text}` stands where the parameters belong: the call raises an error",
        hint="hand over the parameters first, then the limit",
    )


def _without_limit(event: Event) -> Finding:
    name = event.callee.split(".")[-1]
    return found(
        event.site,
        f"`{name}` is called without its limit `{LIMITS.get(name)}`: the call raises an error",
        hint="hand over the limit as the second argument",
    )
