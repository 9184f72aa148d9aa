"""TRN419."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autograd import Autograd, alternatives
from trainlint.lint.cutting import is_choice_of_index, is_flat
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Bound, Expr, Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule

_READS_GRADIENTS = re.compile(rb"\.grad\b|autograd\.grad")


@rule("TRN419", Severity.ERROR, needs=(b"backward(",))
def choice_into_loss(script: Script) -> Iterator[Finding]:
    """The loss is computed from rounded outputs, or from a choice among them, and trains nothing.

    `round`, `floor`, `ceil` and `sign` have a slope of zero everywhere: `backward()` runs, and all
    gradients are zero. An `argmax` or a comparison has no gradient at all; where its result is told
    to require one, `backward()` runs as well, and ends there.

    Nothing is said where the outputs come into the loss on another way too, as in straight-through
    estimators; or where the gradients of a tensor are read by hand. An `argmax` that is not told
    to require a gradient is TRN107.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            x = torch.randn(8, 4)
            loss = nn.functional.mse_loss(torch.round(model(x)), x[:, :1])
            loss.backward()  # TRN419
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            x = torch.randn(8, 4)
            loss = nn.functional.mse_loss(model(x), x[:, :1])
            loss.backward()
            optimizer.step()

    Source: the PyTorch notes "Autograd mechanics", section "Gradients for non-differentiable
    functions"; the gradients of these were tried with torch 2.13.
    """
    autograd = Autograd(script)
    by_hand = _uses_gradients(script, autograd)
    for trace in script.traces:
        for event in trace.events:
            if event.kind != "backward":
                continue
            paths = alternatives(trace, event)
            cuts = [_cuts(autograd, one, by_hand) for one in paths]
            if all(cuts) and _trains(trace, event):
                yield _finding(event, cuts[0])


def _uses_gradients(script: Script, autograd: Autograd) -> bool:
    """Whether the gradient of a tensor that was told to require one may be wanted for itself."""
    if _READS_GRADIENTS.search(script.source.data) or any(script.events("hook")):
        return True
    made = (event for event in script.events("make") if "optim" in event.callee)
    handed = [arg.value for event in made for arg in event.args]
    return any(one in autograd.told for value in handed for one in ancestors(value))


def _cuts(autograd: Autograd, backward: Event, by_hand: bool) -> list[Value]:
    """Where the loss was cut off without `backward()` failing over it."""
    if autograd.cuts(backward):
        return []  # it fails: another rule tells
    flat = autograd.cuts(backward, flat=True)
    if any(map(is_flat, flat)) and all(map(is_choice_of_index, flat)):
        return flat
    if by_hand or backward.receiver in autograd.told:
        return []
    told = autograd.cuts(backward, flat=True, told=False)
    return told if all(map(is_choice_of_index, told)) else []


def _trains(trace: Trace, backward: Event) -> bool:
    """Whether an optimizer steps after it, in the same loops."""
    later = trace.events[trace.events.index(backward) :]
    return any(event.kind == "step" and event.loops == backward.loops for event in later)


def _finding(backward: Event, cuts: list[Value]) -> Finding:
    cut = cuts[0]
    site = cut.site if isinstance(cut, Obj) else None
    effect = "zero, whatever the loss is" if is_flat(cut) else "none: they end at the choice"
    return found(
        backward.site,
        f"the loss is computed from what {_name(cut)} makes of the model's output: the gradients"
        f" of all its parameters are {effect}",
        related=[(site, "no gradient passes here")] if site is not None else [],
        hint="compute the loss from the output itself; round or choose only to report",
    )


def _name(cut: Value) -> str:
    if isinstance(cut, Bound):
        return f"`.{cut.name}`"
    if isinstance(cut, Expr):
        names = {"builtins.round": "`round()`", "[]": "choosing the largest"}
        return names.get(cut.op, "a comparison")
    name = cut.qualname if isinstance(cut, Obj) else ""
    owner, _, last = name.rpartition(".")
    return f"`.{last}()`" if owner == "Tensor" else f"`{name}()`"
