"""TRN211."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.model import Event, Script
from trainlint.lint.passes import implied
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import gradients_of, is_plain_backward, scaled_steps


@rule("TRN211", Severity.ERROR, needs=(b"GradScaler",))
def unscaled_loss_scaler_step(script: Script) -> Iterator[Finding]:
    """A GradScaler steps on the gradients of a loss that it has not scaled.

    `scaler.step(optimizer)` divides the gradients by the scaler's factor. Those of a plain
    `loss.backward()` do not carry it: they become 65536 times too small, and where the scaler
    never scales anything, the step fails.

    Nothing is said where only some of the losses are plain, where the loss comes from code that
    cannot be seen, or where the scaler was made with `enabled=False`.

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
            loss.backward()  # TRN211
            scaler.step(optimizer)
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

    Fix safety: the fix scales the loss before `backward()`. It changes nothing else, and is what
    the scaler's step needs.
    Source: the documentation of torch.amp.GradScaler, and the PyTorch notes "Automatic Mixed
    Precision examples".
    """
    for pass_, step, _ in scaled_steps(script):
        backwards = gradients_of(pass_, step)
        if backwards and all(is_plain_backward(b) and implied(b, step) for b in backwards):
            for backward in backwards:
                yield _finding(script, backward, step)


def _finding(script: Script, backward: Event, step: Event) -> Finding:
    scaler, loss = step.receiver_text or "scaler", backward.receiver_text or "loss"
    return found(
        backward.site,
        f"`{scaler}.step()` takes the gradients of `{loss}`, which `{scaler}` has not scaled",
        related=[(step.site, "here they are divided by a factor that they do not carry")],
        hint=f"call `{scaler}.scale({loss}).backward()`",
        fix=_fix(script, backward, step),
    )


def _fix(script: Script, backward: Event, step: Event) -> Fix | None:
    node, scaler = backward.receiver_node, step.receiver_name
    same = backward.site.script is script and backward.functions == step.functions
    if node is None or not scaler or not same:
        return None
    scaled = f"{scaler}.scale({backward.receiver_text})"
    edit = script.edit(node, scaled)
    return None if edit is None else Fix(f"Start from `{scaled}`", (edit,), safe=True)
