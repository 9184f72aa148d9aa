"""TRN908."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding, Severity
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule
from trainlint.lint.training import all_updates

_SWITCHES = ("torch.autograd.set_detect_anomaly", "torch.autograd.anomaly_mode.set_detect_anomaly")
_BLOCKS = ("torch.autograd.detect_anomaly", "torch.autograd.anomaly_mode.detect_anomaly",
           *_SWITCHES)  # fmt: skip


@rule("TRN908", Severity.WARNING, needs=(b"detect_anomaly",), confidence=Confidence.MEDIUM)
def anomaly_left_on(script: Script) -> Iterator[Finding]:
    """Anomaly detection is on for all of the training.

    It keeps a traceback for each operation, and looks for NaN in each gradient: training takes
    several times as long. It is made to find the operation that a NaN comes from, and is switched
    off afterwards.

    Nothing is said where an option or any other test decides about it, or where it is switched off
    again. Off by default: a short script may well leave it on.

    Bad:
        import torch
        from torch import nn

        torch.autograd.set_detect_anomaly(True)  # TRN908
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(100, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(100, 8, 4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: the documentation of torch.autograd.detect_anomaly: "This mode should be enabled only
    for debugging as the different tests will slow down your program execution".
    """
    if script.source.kind != "python":
        return
    told: set[object] = set()
    for update in all_updates(script):
        switch = _switch(update.trace, update.backward)
        if update.cycle is not None and switch is not None and switch.site.node not in told:
            told.add(switch.site.node)
            yield _finding(switch, update.backward)


def _switch(trace: Trace, backward: Event) -> Event | None:
    """What puts the detection on for a backward, whatever is tested."""
    calls = [event for event in trace.events if event.callee in _BLOCKS]
    if any(event.conditions or not _puts_on(event) for event in calls):
        return None
    before = calls and trace.events.index(calls[0]) < trace.events.index(backward)
    if not before or (calls[0].callee not in _SWITCHES and backward.within(*_BLOCKS) is None):
        return None
    return calls[0]


def _puts_on(event: Event) -> bool:
    if event.callee not in _SWITCHES:
        return True
    given = event.argument(0, "mode")
    return given is not None and isinstance(given.value, Const) and given.value.value is True


def _finding(switch: Event, backward: Event) -> Finding:
    return found(
        switch.site,
        "anomaly detection is on for all of the training, which makes it several times as slow",
        related=[(backward.site, "each of these backwards is checked")],
        hint="switch it on by an option, while a NaN is looked for",
    )
