"""TRN213."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import exclusive, extra, implied
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import live_scaler
from trainlint.lint.training import escaped


@rule("TRN213", Severity.ERROR, needs=(b"unscale_",))
def unscaled_twice(script: Script) -> Iterator[Finding]:
    """One optimizer's gradients are unscaled twice before the scaler is updated.

    `scaler.unscale_(optimizer)` may be called once for each `scaler.update()`, and not after
    `scaler.step(optimizer)`: the second call raises a RuntimeError. With gradient accumulation it
    belongs under the test that steps, since each pass would unscale the sum again.

    Nothing is said where the two calls may lie on different paths, or where the scaler gets into
    the hands of code that cannot be seen.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for i in range(12):
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss / 4).backward()
            scaler.unscale_(optimizer)  # TRN213
            if i % 4 == 3:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for i in range(12):
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss / 4).backward()
            if i % 4 == 3:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()

    Source: the documentation of torch.amp.GradScaler.unscale_.
    """
    for trace in script.traces:
        for event in trace.events:
            scaler = live_scaler(event.receiver) if event.kind == "unscale" else None
            if scaler is None or _optimizer_of(event) is None or escaped(script, scaler):
                continue
            again = _before(trace, event) or _passes_before(trace, event)
            if again is not None:
                yield _finding(event, *again)


def _optimizer_of(event: Event) -> Value | None:
    """The optimizer that is unscaled or stepped, where it is one and the same in all passes."""
    given = event.argument(0, "optimizer")
    optimizer = given.value if given is not None else None
    if not isinstance(optimizer, Obj) or optimizer.kind != "optimizer":
        return None
    varies = optimizer.varies
    return None if varies is None or set(varies) & set(event.loops) else optimizer


def _before(trace: Trace, event: Event) -> tuple[Event, str] | None:
    """A call just before that makes this one fail."""
    optimizer = _optimizer_of(event)
    for one in reversed(trace.events[: trace.events.index(event)]):
        if exclusive(one, event):
            continue
        if one.kind == "update" or (one.kind == "opaque" and one.callee == "update"):
            return None
        unscaled = one.kind == "unscale" and one.receiver is event.receiver
        stepped = one.kind == "step" and one.scaler is event.receiver
        if not (unscaled or stepped) or _optimizer_of(one) is not optimizer:
            continue
        sure = one.loops == event.loops and (implied(one, event) or implied(event, one))
        what = "they are unscaled here already" if unscaled else "the step has unscaled them"
        return (one, what) if sure else None
    return None


def _passes_before(trace: Trace, event: Event) -> tuple[Event, str] | None:
    """An update that leaves out some passes in which gradients are unscaled."""
    updates = [
        one for one in trace.events if one.kind == "update" and one.receiver is event.receiver
    ]
    if not updates or not all(_leaves_out(one, event) for one in updates):
        return None
    return updates[0], "the scaler is updated only here, not in each pass that unscales"


def _leaves_out(update: Event, event: Event) -> bool:
    mine, its = event.loops, update.loops
    if len(its) < len(mine):
        return mine[: len(its)] == its and not mine[len(its)].leaves_at_once
    return mine == its and any(condition.periodic for condition in extra(update, event))


def _finding(event: Event, other: Event, what: str) -> Finding:
    scaler = event.receiver_text or "scaler"
    optimizer = event.args[0].text
    return found(
        event.site,
        f"`{scaler}.unscale_({optimizer})` is called again before `{scaler}.update()`: it raises"
        " an error",
        related=[(other.site, what)],
        hint="unscale once for each step, just before the gradients are clipped",
    )
