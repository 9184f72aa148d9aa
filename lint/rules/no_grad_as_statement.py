"""TRN312."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.lower.values import Const
from trainlint.lint.mentions import every
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule

# What does something only as a context, or as a decorator.
_CONTEXTS = ("torch.no_grad", "torch.inference_mode", "torch.enable_grad", "torch.autocast",
             "torch.cuda.amp.autocast", "torch.amp.autocast", "torch.autograd.no_grad",
             "torch.autograd.set_detect_anomaly_mode")  # fmt: skip
_SWITCH = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled",
           "torch.autograd.grad_mode.set_grad_enabled")  # fmt: skip
_NEEDS = (b"no_grad()", b"inference_mode()", b"enable_grad()", b"autocast(", b"set_grad_enabled(")


@rule("TRN312", needs=_NEEDS)
def no_grad_as_statement(script: Script) -> Iterator[Finding]:
    """`torch.no_grad()` stands alone, or gradients are turned off and never on again.

    `no_grad`, `inference_mode` and `autocast` make a context: it acts on what stands under `with`.
    Called on its own, it is thrown away, and gradients are recorded as before. The other way round,
    `set_grad_enabled(False)` acts at once and on everything after it: a later `backward()` fails.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        torch.no_grad()  # TRN312
        print(model(torch.randn(8, 4)))
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        with torch.no_grad():
            print(model(torch.randn(8, 4)))

    Source: the documentation of torch.no_grad (a context manager) and torch.set_grad_enabled.
    """
    alone = {node.value for node in every(script.module, cst.Expr)}
    for event in script.events("call"):
        if event.callee in _CONTEXTS and event.site.node in alone:
            name = event.callee.rpartition(".")[2]
            yield found(
                event.site,
                f"`{name}` stands alone and does nothing: it is a context",
                hint=f"write `with {event.site.text}:` over what it is meant for",
            )
    for trace in script.traces:
        for switch, backward in _never_on_again(trace):
            yield found(
                switch.site,
                "gradients are turned off here for all that follows, and never on again",
                related=[(backward.site, "this backward has no graph")],
                hint="use `with torch.no_grad():`, or turn them on again",
            )


def _never_on_again(trace: Trace) -> Iterator[tuple[Event, Event]]:
    """Each `set_grad_enabled(False)` outside a `with`, with the first backward after it."""
    entered = {event.receiver for event in trace.events if event.kind == "enter"}
    off: Event | None = None
    for event in trace.events:
        if event.callee in _SWITCH and event.result not in entered:
            off = event if _turns_off(event) else None
        elif event.kind == "opaque" and off is not None:
            off = None  # it may turn them on
        elif event.kind == "backward" and off is not None:
            if not event.contexts and not any(_forgets(one) for one in trace.events):
                yield off, event
            off = None


def _turns_off(event: Event) -> bool:
    mode = event.argument(0, "mode")
    off = mode is not None and isinstance(mode.value, Const) and mode.value.value is False
    return off and not event.conditions


def _forgets(event: Event) -> bool:
    """Whether a context turns gradients on where they are wanted."""
    return event.kind == "enter" and event.within("torch.enable_grad") is not None
