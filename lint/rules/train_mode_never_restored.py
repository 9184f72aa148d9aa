"""TRN301."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Event, Loop, Script
from trainlint.lint.modes import (
    ModeCall,
    happens_each_pass,
    holds_modal_layers,
    is_wrapped,
    may_concern,
    may_restore,
    mode_calls,
    training_of,
)
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, shared_loops


@rule("TRN301", needs=(b".eval(", b".train("))
def train_mode_never_restored(script: Script) -> Iterator[Finding]:
    """A model is put into evaluation mode in the loop that trains it, and never back.

    From the second pass on it trains in evaluation mode: Dropout is off, and BatchNorm neither
    uses nor updates the statistics of the batch. The loss looks well, and the model overfits or
    its running statistics are those of the first epoch.

    Silent where anything in the loop may restore the mode, where the evaluation runs only in some
    passes that nobody can tell, and for models without layers that know the two modes.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.train()
        for epoch in range(10):
            for _ in range(20):
                optimizer.zero_grad()
                loss = model(torch.randn(8, 4)).square().mean()
                loss.backward()
                optimizer.step()
            model.eval()  # TRN301
            with torch.no_grad():
                print(model(torch.randn(8, 4)).square().mean())
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(10):
            model.train()
            for _ in range(20):
                optimizer.zero_grad()
                loss = model(torch.randn(8, 4)).square().mean()
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                print(model(torch.randn(8, 4)).square().mean())

    Fix safety: the fix puts the model into training mode at the start of each pass. It changes how
    the model trains, which is its purpose: it is unsafe.
    Source: the documentation of torch.nn.Module.train and eval.
    """
    for update, module in training_of(script):
        for call in mode_calls(update.trace):
            if call.training is not False or call.module is not module:
                continue
            for loop in reversed(shared_loops(call.event, update.step)):
                if _stays(script, update, call, loop):
                    yield _finding(script, call.event, update, loop)
                    break


def _stays(script: Script, update: Update, call: ModeCall, loop: Loop) -> bool:
    if not happens_each_pass(call.event, loop) or not happens_each_pass(update.step, loop):
        return False
    if (
        is_wrapped(call.event)
        or loop.leaves_at_once
        or not _knows_modes(script, update, call.module)
    ):
        return False
    if call.module.varies is not None and loop in call.module.varies:
        return False  # another model in each pass
    return not may_restore(script, update.trace, call.module, loop)


def _knows_modes(script: Script, update: Update, module: Value) -> bool:
    """Whether the mode makes a difference; for unseen layers, whether the script thinks so."""
    known = holds_modal_layers(script, module)
    if known is not None:
        return known
    calls = mode_calls(update.trace)
    return any(call.training and may_concern(script, call, module) for call in calls)


def _finding(script: Script, event: Event, update: Update, loop: Loop) -> Finding:
    name = event.receiver_text or "the model"
    return found(
        event.site,
        f"`{name}` is put into evaluation mode here and never back: from the second pass of the"
        " loop on it trains in evaluation mode",
        related=[(loop.heading, "the loop"), (update.step.site, "here it is trained")],
        hint=f"call `{name}.train()` at the start of each pass",
        fix=_fix(script, event, loop),
    )


def _fix(script: Script, event: Event, loop: Loop) -> Fix | None:
    """`model.train()` as the first line of the loop, where the loop is in sight of the name."""
    body = getattr(loop.site.node, "body", None)
    statements = getattr(body, "body", ())
    if not statements or loop.site.script is not script or event.site.script is not script:
        return None
    if not event.receiver_text.isidentifier() or event.loops[-1] is not loop:
        return None
    function = event.functions[-1] if event.functions else None
    if function is not None and not _lies_in(script, loop.site.node, function):
        return None
    line, column, _, _ = script.range(statements[0])
    if script.source.code_lines[line - 1][:column].strip():
        return None
    call = f"{event.receiver_text}.train()"
    edit = script.insert_line(line, call)
    return None if edit is None else Fix(f"Call `{call}` in each pass", (edit,), safe=False)


def _lies_in(script: Script, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
    return script.range(outer)[0] <= script.range(node)[0] <= script.range(outer)[2]
