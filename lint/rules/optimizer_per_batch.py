"""TRN509."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.holding import same_object
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.optimizers import (
    given,
    is_torch_optimizer,
    made_optimizers,
    number,
    parameter_parts,
)
from trainlint.lint.rule import found, rule

_STATEFUL = ("Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop",
             "SparseAdam", "Rprop", "ASGD", "Adafactor", "Muon")  # fmt: skip
_SETS = ("load_state_dict", "requires_grad_", "apply", "reset_parameters")


@rule("TRN509", needs=(b"optim",))
def optimizer_per_batch(script: Script) -> Iterator[Finding]:
    """An optimizer with a state is made anew for each step that it takes.

    Adam's running averages and SGD's momentum live in the optimizer. Made within the loop that
    steps it, they begin at nothing each time: Adam without its averages steps by the sign of the
    gradient alone, and momentum does nothing.

    Reported where the optimizer takes one step of its life, over a model that lives longer. Models
    that are made, copied or loaded in the same loop are trials or inner loops, and an optimizer
    that is made once an epoch may belong to a task or a phase.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        for _ in range(100):
            optimizer = torch.optim.Adam(model.parameters(), lr=0.001)  # TRN509
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        for _ in range(100):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()

    Source: the documentation of torch.optim.Adam; Kingma and Ba, "Adam", ICLR 2015.
    """
    if not script.whole:
        return
    made = {event.site.node for event in made_optimizers(script)}
    for trace in script.traces:
        for event in trace.events:
            if event.kind != "make" or event.site.node not in made or not event.loops:
                continue
            step = _only_step(trace, event)
            if step is not None and _is_stateful(event.result) and _is_loop_of_steps(trace, event):
                yield _finding(event)


def _only_step(trace: Trace, made: Event) -> Event | None:
    """The optimizer's one step, in the same pass of the same loop."""
    steps = [
        event
        for event in trace.events
        if event.kind == "step" and same_object(event.receiver, made.result)
    ]
    if len(steps) != 1 or steps[0].loops != made.loops:
        return None
    same = [one for one in made.conditions if one.depth >= len(made.loops)]
    return None if same or (steps[0].args and steps[0].scaler is None) else steps[0]


def _is_stateful(made: Value) -> bool:
    if not isinstance(made, Obj) or made.qualname == "":
        return False
    if is_torch_optimizer(made, *_STATEFUL):
        return True
    momentum = number(given(made, 2, "momentum"))
    return is_torch_optimizer(made, "SGD") and bool(momentum)


def _is_loop_of_steps(trace: Trace, made: Event) -> bool:
    """Whether the model outlives the loop's passes, and only this optimizer steps in them."""
    loop = made.loops[-1]
    source = made.argument(0, "params")
    owners = [module for module, _ in parameter_parts(source.value)] if source else []
    if not owners or loop.kind == "comprehension" or loop.leaves_at_once:
        return False
    return all(_outlives(module, loop) for module in owners) and not _resets(trace, loop)


def _outlives(module: Value, loop: Loop) -> bool:
    known = isinstance(module, Obj) and module.kind == "module"
    return known and module.varies is not None and loop not in module.varies


def _resets(trace: Trace, loop: Loop) -> bool:
    """Whether the loop loads or resets a model, or hands one to code that cannot be seen."""
    inside = [event for event in trace.events if loop in event.loops]
    return any(
        event.kind == "load" or event.callee in _SETS or "copy" in event.callee for event in inside
    )


def _finding(made: Event) -> Finding:
    name = made.callee.rpartition(".")[2]
    loop = made.loops[-1]
    return found(
        made.site,
        f"this {name} is made anew for each step: what it has gathered of the gradients is lost"
        " every time",
        related=[(loop.heading, "the loop that makes it and steps it once")],
        hint="make the optimizer once, before the loop",
    )
