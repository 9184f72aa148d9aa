"""TRN114."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.passes import implied
from trainlint.lint.rule import found, rule
from trainlint.lint.training import is_optimizer

_ITERATORS = ("builtins.filter", "builtins.map", "itertools.chain")


@rule("TRN114", needs=(b"parameters()",))
def exhausted_parameter_iterator(script: Script) -> Iterator[Finding]:
    """A generator of parameters is used up by an optimizer, and then handed on.

    `model.parameters()` can be run through once. Kept in a variable and given to the optimizer, it
    is empty afterwards: `clip_grad_norm_(params, 1.0)` clips nothing, and a second optimizer
    refuses it.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        params = model.parameters()
        optimizer = torch.optim.SGD(params, lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            nn.utils.clip_grad_norm_(params, 1.0)  # TRN114
            optimizer.step()

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        params = list(model.parameters())
        optimizer = torch.optim.SGD(params, lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            nn.utils.clip_grad_norm_(params, 1.0)
            optimizer.step()

    Fix safety: the fix puts `list(…)` around what makes the generator, which changes nothing but
    that it can be run through more than once.
    Source: the documentation of torch.nn.Module.parameters ("Return an iterator over module
    parameters").
    """
    for trace in script.traces:
        used: dict[Value, Event] = {}
        for event in trace.events:
            if event.kind not in ("make", "clip") or not event.args:
                continue
            given = event.args[0].value
            if event.kind == "clip" or is_optimizer(event.result):
                first = used.get(given)
                if first is not None and _comes_after(first, event):
                    yield _finding(script, event, first, given)
                elif event.kind == "make" and _is_iterator(given):
                    used[given] = event


def _comes_after(first: Event, event: Event) -> bool:
    """Whether the first event surely happened where the other happens."""
    return first.site.node is not event.site.node and implied(first, event)


def _is_iterator(value: Value) -> bool:
    if not isinstance(value, Obj):
        return False
    if value.kind == "parameters":
        return not value.qualname and _is_module(value.args[0] if value.args else None)
    return value.qualname in _ITERATORS


def _is_module(value: Value | None) -> bool:
    """Whether it is surely torch's `parameters()`: another class's may return a list."""
    return isinstance(value, Obj) and value.kind == "module"


def _finding(script: Script, event: Event, first: Event, given: Value) -> Finding:
    text = event.args[0].text
    what = "clips nothing" if event.kind == "clip" else "gets no parameters"
    return found(
        event.args[0].site,
        f"`{text}` is an iterator that the optimizer has used up: this call {what}",
        related=[(first.site, "it is used up here")],
        hint=f"keep a list: `{text} = list(…)`",
        fix=_fix(script, given),
    )


def _fix(script: Script, given: Value) -> Fix | None:
    site = given.site if isinstance(given, Obj) else None
    if site is None or site.script is not script:
        return None
    edit = script.edit(site.node, f"list({site.text})")
    return None if edit is None else Fix("Keep the parameters in a list", (edit,), safe=True)
