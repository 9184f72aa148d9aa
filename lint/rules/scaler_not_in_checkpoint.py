"""TRN216."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import live_scaler
from trainlint.lint.training import escaped


@rule("TRN216", Severity.INFO, needs=(b"GradScaler",))
def scaler_not_in_checkpoint(script: Script) -> Iterator[Finding]:
    """A checkpoint holds the optimizer's state, but not that of the scaler which trains with it.

    A resumed run then begins with the scaler's first factor, and skips steps until it has found
    the right one again. Little is lost, so this only advises.

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
            scaler.step(optimizer)
            scaler.update()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}  # TRN216
        torch.save(state, "last.pt")
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
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
        }
        torch.save(state, "last.pt")

    Source: the PyTorch recipe "Automatic Mixed Precision", section "Saving/Resuming".
    """
    steps = [event for event in script.events("step") if live_scaler(event.scaler) is not None]
    if not steps or not any(True for _ in script.events("save")):
        return
    if any(_holds_scaler(script, event) for event in script.events("state")):
        return
    if any(isinstance(one.scaler, Obj) and escaped(script, one.scaler) for one in steps):
        return
    for event in script.events("state"):
        step = next((one for one in steps if one.receiver is event.receiver), None)
        if step is not None:
            yield _finding(event, step)


def _holds_scaler(script: Script, event: Event) -> bool:
    """Whether a state that is taken is a scaler's, or could be."""
    receiver = event.receiver
    return not isinstance(receiver, Obj) or receiver.kind in ("scaler", "object")


def _finding(event: Event, step: Event) -> Finding:
    scaler = step.receiver_text or "scaler"
    return found(
        event.site,
        f"the optimizer's state is saved, but not that of `{scaler}`, which steps it",
        related=[(step.site, "here the scaler steps the optimizer")],
        hint=f"save `{scaler}.state_dict()` as well, and load it when the run is resumed",
    )
