"""TRN111."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.graph import ancestors
from trainlint.lint.leaving import caught
from trainlint.lint.lower.values import Expr, Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import together


@rule("TRN111", Severity.ERROR, needs=(b"backward(",))
def backward_twice(script: Script) -> Iterator[Finding]:
    """`backward()` is called twice on one loss.

    The first call frees the graph, and the second fails: "Trying to backward through the graph a
    second time".

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        loss = model(torch.randn(8, 4)).square().mean()
        loss.backward()
        loss.backward()  # TRN111
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        loss = model(torch.randn(8, 4)).square().mean()
        loss.backward(retain_graph=True)
        loss.backward()

    Source: the documentation of torch.Tensor.backward, on `retain_graph`.
    """
    for trace in script.traces:
        seen: dict[Value, Event] = {}
        for event in trace.events:
            if event.kind != "backward" or type(event.receiver) not in (Obj, Expr):
                continue
            first = seen.setdefault(event.receiver, event)
            between = trace.events[trace.events.index(first) : trace.events.index(event)]
            if first is not event and _again(first, event) and not _computed_anew(between):
                yield found(
                    event.site,
                    "`backward()` is called a second time on this loss: the first call freed the"
                    " graph",
                    related=[(first.site, "the first call")],
                    hint="take one of them out, or pass `retain_graph=True` to the first",
                )


def _again(first: Event, event: Event) -> bool:
    """Whether the second call surely meets the graph that the first has freed."""
    if not together(first, event) or first.site.node is event.site.node:
        return False
    return not first.args and not caught(event) and _frees(event.receiver)


def _computed_anew(between: list[Event]) -> bool:
    """Whether a forward, or code that is not seen, may have put another loss in its place.

    A module's own `forward` is followed once: an attribute that it sets looks the same each time.
    """
    return any(
        event.kind in ("forward", "opaque")
        or (
            event.kind == "method"
            and not (isinstance(event.receiver, Obj) and event.receiver.kind == "output")
        )
        for event in between
    )


def _frees(loss: Value) -> bool:
    """Whether the graph holds anything that backward frees: a module's forward does."""
    return any(isinstance(one, Obj) and one.kind in ("module", "loss") for one in ancestors(loss))
