"""TRN715."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.rule import found, rule


@rule("TRN715", Severity.INFO, needs=(b"torch.save", b"save("))
def same_file_every_epoch(script: Script) -> Iterator[Finding]:
    """Each epoch's checkpoint overwrites the last one's.

    Only the last epoch's weights are left, which need not be the best; and a run that is killed
    while it writes leaves none. Keep the best in a file of its own, or some of the last.

    To keep only the last is right where one wants to resume, so this only advises.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            torch.save(model.state_dict(), "model.pt")  # TRN715
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            torch.save(model.state_dict(), f"model-{epoch}.pt")

    Source: the PyTorch tutorial "Saving and Loading Models", on checkpoints.
    """
    if not script.whole:
        return
    for trace in script.traces:
        saves = [event for event in trace.events if event.kind == "save"]
        for event in saves:
            loop = _training_loop(trace, event)
            if loop is not None and len(saves) == 1 and _overwrites(event, loop):
                yield found(
                    event.site,
                    "each pass saves over the last one's file",
                    related=[(loop.heading, "the loop")],
                    hint="put the epoch into the file's name, or save only what is better",
                )


def _training_loop(trace: Trace, event: Event) -> Loop | None:
    """The innermost loop around a save that trains."""
    training = {loop for one in trace.events if one.kind == "step" for loop in one.loops}
    return next((loop for loop in reversed(event.loops) if loop in training), None)


def _overwrites(event: Event, loop: Loop) -> bool:
    """Whether each pass, and not only some, writes to one path."""
    path = event.argument(1, "f")
    depth = event.loops.index(loop)
    if path is None or path.value.varies is None or loop in path.value.varies:
        return False
    return not any(condition.depth > depth for condition in event.conditions)
