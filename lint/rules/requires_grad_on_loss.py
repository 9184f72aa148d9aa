"""TRN108."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autograd import Autograd, alternatives
from trainlint.lint.leaving import caught
from trainlint.lint.lower.values import Const, Expr, Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import implied
from trainlint.lint.rule import found, rule


@rule("TRN108", Severity.ERROR, needs=(b"requires_grad",))
def requires_grad_on_loss(script: Script) -> Iterator[Finding]:
    """A loss that was computed is told to require a gradient.

    It is a way to silence "element 0 of tensors does not require grad". A loss that is connected
    to the model requires a gradient already, and setting the attribute on it fails; one that does
    not was cut off before: then `backward()` runs, reaches no parameter, and nothing is learnt.

    Calling `requires_grad_()` on a loss that is connected does nothing, and is left alone, and so
    is a tensor that others are computed from.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in zip(torch.randn(10, 8, 4), torch.randn(10, 8)):
            optimizer.zero_grad()
            prediction = model(x).argmax(1).float()
            loss = nn.functional.mse_loss(prediction, y)
            loss.requires_grad = True  # TRN108
            loss.backward()
            optimizer.step()

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in zip(torch.randn(10, 8, 4), torch.randn(10, 8)):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x).squeeze(1), y)
            loss.backward()
            optimizer.step()

    Source: the PyTorch notes "Autograd mechanics" ("Setting requires_grad").
    """
    autograd = Autograd(script)
    for trace in script.traces:
        for event in trace.events:
            if not _tells(event) or not autograd.is_computed(event.receiver):
                continue
            backward = _backward_of(trace, event)
            if backward is None or caught(event) or len(alternatives(trace, event)) > 1:
                continue
            cuts = autograd.cuts(backward, told=False)
            if cuts or event.kind == "set_attribute":
                yield _finding(event, backward, cuts)


def _tells(event: Event) -> bool:
    """`loss.requires_grad = True`, or `loss.requires_grad_()`; of a tensor that was computed."""
    loss = event.receiver
    if isinstance(loss, Obj):
        if loss.kind != "output" or loss.changed or "requires_grad" in loss.kwargs:
            return False
    elif not isinstance(loss, Expr):
        return False
    if event.kind == "set_attribute":
        given: Value = event.result
        return event.callee == "requires_grad" and isinstance(given, Const) and given.value is True
    if event.kind not in ("method", "opaque") or event.callee != "requires_grad_":
        return False
    return all(isinstance(a.value, Const) and a.value.value is True for a in event.args)


def _backward_of(trace: Trace, event: Event) -> Event | None:
    """The backward that starts from the very tensor, where it is told."""
    later = trace.events[trace.events.index(event) :]
    for other in later:
        if other.kind == "backward" and implied(event, other) and _starts_from(other, event):
            return other if event.loops == other.loops else None
    return None


def _starts_from(backward: Event, event: Event) -> bool:
    start = backward.receiver
    if isinstance(start, Obj) and start.qualname == "GradScaler.scale" and start.args:
        start = start.args[0]
    return start is event.receiver


def _finding(event: Event, backward: Event, cuts: list[Value]) -> Finding:
    name = event.receiver_text or "the loss"
    effect = (
        "it was cut off from the model before, and no parameter gets a gradient"
        if cuts
        else "where it is connected to the model, this fails"
    )
    related = [(backward.site, "gradients are asked for here")]
    site = next((one.site for one in cuts if isinstance(one, Obj) and one.site), None)
    if site is not None:
        related.append((site, "the graph is cut here"))
    return found(
        event.site,
        f"`{name}` was computed, and is told to require a gradient: {effect}",
        related=related,
        hint="take this line out, and compute the loss from the model's output itself",
    )
