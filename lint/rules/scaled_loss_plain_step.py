"""TRN212."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Event, Script
from trainlint.lint.passes import exclusive, implied, pass_of
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import gradients_of, scaler_of_backward, unscaled_by_hand
from trainlint.lint.training import escaped, is_optimizer


@rule("TRN212", Severity.ERROR, needs=(b"GradScaler",))
def scaled_loss_plain_step(script: Script) -> Iterator[Finding]:
    """An optimizer steps by itself on gradients that carry a GradScaler's factor.

    `scaler.scale(loss).backward()` makes gradients that are larger by the scaler's factor, 65536
    at first. Only `scaler.step(optimizer)` divides them by it, and leaves the step out where they
    are infinite. `optimizer.step()` takes them as they are.

    Nothing is said where `unscale_` may have been called, where anything works on `.grad` or reads
    the factor, or where the scaler was made with `enabled=False` or gets into the hands of code
    that cannot be seen.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss).backward()
            optimizer.step()  # TRN212
            scaler.update()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler()
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()

    Source: the documentation of torch.amp.GradScaler, and the PyTorch notes "Automatic Mixed
    Precision examples".
    """
    for trace in script.traces:
        for step in trace.events:
            if step.kind != "step" or step.scaler is not None or not is_optimizer(step.receiver):
                continue
            pass_ = pass_of(trace, step)
            backwards = gradients_of(pass_, step) or []
            if not backwards or not all(_is_scaled(script, b, step) for b in backwards):
                continue
            since = pass_.between(backwards[0], step)
            if not any(_may_unscale(one, step) for one in since) and not unscaled_by_hand(trace):
                yield _finding(step, backwards[0])


def _is_scaled(script: Script, backward: Event, step: Event) -> bool:
    scaler = scaler_of_backward(backward)
    return scaler is not None and implied(backward, step) and not escaped(script, scaler)


def _may_unscale(event: Event, step: Event) -> bool:
    if exclusive(event, step):
        return False
    return event.kind == "unscale" or (event.kind == "step" and event.scaler is not None)


def _finding(step: Event, backward: Event) -> Finding:
    scaler = scaler_of_backward(backward)
    made = scaler.site if scaler is not None else None
    optimizer = step.receiver_text or "optimizer"
    related = [(backward.site, "here the loss, and so each gradient, is scaled")]
    if made is not None:
        related.append((made, "by this scaler"))
    return found(
        step.site,
        f"`{optimizer}.step()` takes gradients that carry the scaler's factor: nothing divides"
        " them by it",
        related=related,
        hint=f"call `scaler.step({optimizer})` instead, with the scaler that scaled the loss",
    )
