"""TRN501."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.gaps import has_gaps
from trainlint.lint.holding import holds, is_private, may_be, steps_unseen
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.schedules import class_name, is_torch_scheduler, optimizer_of

# What may be done to a scheduler that steps nothing.
_HARMLESS = ("get_last_lr", "get_lr", "print_lr", "state_dict", "load_state_dict", "step")
_QUIET = ("state", "load", "method", "schedule")


@rule("TRN501", needs=(b"lr_scheduler",))
def scheduler_never_stepped(script: Script) -> Iterator[Finding]:
    """A learning-rate scheduler is made, and nothing ever steps it.

    The optimizer is stepped and the learning rate stays where it began: the schedule that is
    written down, and perhaps reported, has never been used.

    Nothing is said where the scheduler is handed to another scheduler or to code that cannot be
    seen, where it is returned, put into a container or into an attribute that another file names,
    or where something whose kind is not known is stepped.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)  # TRN501
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        for epoch in range(90):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()

    Source: the documentation of torch.optim, "How to adjust learning rate".
    """
    if not script.whole:
        return
    stepped = [event.receiver for event in script.events("step") if event.loops]
    for event in script.events("make"):
        made = event.result
        if event.site.script is not script or not is_torch_scheduler(made):
            continue
        optimizer = optimizer_of(made)
        if optimizer is None or not any(may_be(one, optimizer) for one in stepped):
            continue
        if not _is_used(script, event) and not has_gaps(script):
            yield _finding(event)


def _is_used(script: Script, made: Event) -> bool:
    scheduler = made.result
    for event in (event for trace in script.traces for event in trace.events):
        if event.kind == "make" and any(holds(arg.value, scheduler) for arg in event.args):
            return True
        if event.kind == "set_attribute" and may_be(event.receiver, scheduler):
            return True
        if event.kind not in _QUIET or not may_be(event.receiver, scheduler):
            continue
        if event.callee not in _HARMLESS or event.kind == "schedule":
            return True
    return steps_unseen(script, scheduler) or not is_private(script, made)


def _finding(event: Event) -> Finding:
    name = class_name(event.result)
    optimizer = optimizer_of(event.result)
    assert isinstance(optimizer, Obj)
    given = event.argument(0, "optimizer")
    owner = f"`{given.text}`" if given is not None else "the optimizer"
    related = [(optimizer.site, "the optimizer, which is stepped")] if optimizer.site else []
    return found(
        event.site,
        f"this {name} is never stepped: the learning rate of {owner} stays what it is at first",
        related=related,
        hint="call its `step()` after the optimizer's steps: once an epoch, or once a batch, as the"
        " schedule is meant",
    )
