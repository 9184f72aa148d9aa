"""TRN302."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.evaluation import judged, runs_over_data
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.modes import NO_GRAD, ModeCall, mode_calls
from trainlint.lint.rule import found, rule

_VALIDATES = re.compile(
    r"(?:^|_)(val|valid|validate|validation|test|eval|evaluate|evaluation)(?:_|$)"
)


@rule("TRN302", needs=(b".train(",))
def train_mode_in_validation(script: Script) -> Iterator[Finding]:
    """A validation puts the model into training mode before it measures.

    Dropout then disturbs every prediction, and BatchNorm takes the statistics of the validation
    batch, and keeps them: the numbers are too bad, and the validation data leaks into the model.

    Reported in a function or loop that says it validates, without gradients, where each batch is
    predicted once and judged. Several predictions of one batch (Monte Carlo dropout), and passes
    whose output nobody reads (statistics of BatchNorm) are on purpose.

    Bad:
        import torch
        from torch import nn

        def validate(model: nn.Module, loader):
            model.train()  # TRN302
            total = 0.0
            with torch.no_grad():
                for x, y in loader:
                    total += nn.functional.mse_loss(model(x), y).item()
            return total
    Good:
        import torch
        from torch import nn

        def validate(model: nn.Module, loader):
            model.eval()
            total = 0.0
            with torch.no_grad():
                for x, y in loader:
                    total += nn.functional.mse_loss(model(x), y).item()
            return total

    Fix safety: the fix calls `eval` in its place. It changes what is measured: it is unsafe.
    Source: the documentation of torch.nn.Module.train and eval.
    """
    for trace in script.traces:
        calls = list(mode_calls(trace))
        for call in calls:
            if call.training is True and _measures(trace, calls, call):
                yield _finding(script, call)


def _measures(trace: Trace, calls: list[ModeCall], call: ModeCall) -> bool:
    """Whether the model is used to validate after the call, in the same function or loop."""
    used = list(_predictions(trace, calls, call))
    if not used or any(not _says_so(event) for event in used):
        return False
    loops = [loop for event in used for loop in event.loops if loop not in call.event.loops]
    if not loops or not all(map(runs_over_data, loops)) or _trains(trace, call, loops):
        return False
    sites = {event.site.node for event in used}
    return len(sites) == 1 and all(judged(trace, event) for event in used)


def _predictions(trace: Trace, calls: list[ModeCall], call: ModeCall) -> Iterator[Event]:
    """The model's predictions without gradients, until its mode is set again."""
    later = [other.index for other in calls if other.index > call.index]
    end = min(later, default=len(trace.events))
    for event in trace.events[call.index : end]:
        same = event.kind == "forward" and unwrapped(event.receiver) is call.module
        inner = event.functions[: len(call.event.functions)] == call.event.functions
        if same and inner:
            yield event


def _says_so(event: Event) -> bool:
    names = [one.name.value for one in event.functions if isinstance(one, cst.FunctionDef)]
    names += [loop.over_text for loop in event.loops]
    return event.within(*NO_GRAD) is not None and any(_VALIDATES.search(name) for name in names)


def _trains(trace: Trace, call: ModeCall, loops: list[Loop]) -> bool:
    return any(
        event.kind == "backward" and any(loop in event.loops for loop in loops)
        for event in trace.events
    )


def _finding(script: Script, call: ModeCall) -> Finding:
    name = call.event.receiver_text or "the model"
    return found(
        call.event.site,
        f"`{name}` is put into training mode, and then validated",
        hint=f"call `{name}.eval()` here",
        fix=_fix(script, call),
    )


def _fix(script: Script, call: ModeCall) -> Fix | None:
    event = call.event
    if event.site.script is not script or not event.receiver_text or event.args:
        return None
    edit = script.edit(event.site.node, f"{event.receiver_text}.eval()")
    return None if edit is None else Fix("Call `eval()`", (edit,), safe=False)
