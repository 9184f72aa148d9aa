"""TRN101."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix
from trainlint.lint.clearing import Clearing
from trainlint.lint.leaving import leaves_after
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Loop, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, updates

# These take the gradients out themselves, or keep none.
_OTHERWISE = ("LBFGS", "DistributedOptimizer", "ZeroRedundancyOptimizer")


@rule("TRN101", needs=(b".step(",))
def missing_zero_grad(script: Script) -> Iterator[Finding]:
    """An optimizer steps in a loop that never clears its gradients.

    `backward()` adds to what stands in `.grad`. Where nothing clears it, each step goes along the
    sum of all gradients since the start: training runs, ever more slowly to the wrong place.

    Clearing counts wherever it may happen in the loop: by the optimizer, a module, a tensor, a
    helper, under a condition (accumulation), or by code that cannot be seen and is handed the
    optimizer.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()  # TRN101
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()

    Fix safety: the fix clears the gradients before `backward()`. It changes how the model trains,
    which is its purpose, but a loop may add gradients up on purpose: it is unsafe.
    Source: the documentation of torch.optim.Optimizer.zero_grad, and the PyTorch recipe "Zeroing
    out gradients in PyTorch".
    """
    if not script.whole:
        return
    for update in updates(script):
        if update.cycle is not None and _never_clears(script, update):
            yield _finding(script, update)


def _never_clears(script: Script, update: Update) -> bool:
    optimizer, cycle = update.optimizer, update.cycle
    if not isinstance(optimizer, Obj) or optimizer.qualname.endswith(_OTHERWISE):
        return False
    if optimizer.varies is None or cycle is None or cycle in optimizer.varies:
        return False  # made anew in each pass, over whatever is new too
    if update.backward.callee.startswith("torch.distributed.") or cycle.leaves_at_once:
        return False
    outer = set(_outer(update))
    clearing = Clearing(script, update)
    inside = [event for event in update.trace.events if outer & set(event.loops)]
    if any(clearing.may_clear(event) for event in inside) or clearing.unseen:
        return False
    return not leaves_after(cycle, update.step)


def _outer(update: Update) -> tuple[Loop, ...]:
    """The loops from the outermost to the cycle."""
    loops = update.step.loops
    cycle = update.cycle
    return loops[: loops.index(cycle) + 1] if cycle in loops else loops


def _finding(script: Script, update: Update) -> Finding:
    name = update.step.receiver_text or "optimizer"
    cycle = update.cycle
    assert cycle is not None
    return found(
        update.step.site,
        f"`{name}` steps in this loop, and nothing in it clears the gradients: they add up from"
        " pass to pass",
        related=[
            (update.backward.site, "here gradients are added to those of all passes before"),
            (cycle.heading, "the loop"),
        ],
        hint=f"call `{name}.zero_grad()` before `backward()`",
        fix=_fix(script, update),
    )


def _fix(script: Script, update: Update) -> Fix | None:
    backward, step = update.backward, update.step
    if backward.site.script is not script or backward.functions != step.functions:
        return None
    if not step.receiver_name:
        return None
    line, column, _, _ = script.range(backward.site.node)
    if script.source.code_lines[line - 1][:column].strip():
        return None
    call = f"{step.receiver_text}.zero_grad()"
    edit = script.insert_line(line, call)
    return None if edit is None else Fix(f"Call `{call}` before backward()", (edit,), safe=False)
