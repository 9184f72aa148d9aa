"""TRN510."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Site
from trainlint.lint.optimizers import (
    holders,
    is_zoo_module,
    made_optimizers,
    owner_of,
    parameter_parts,
    parents_of,
)
from trainlint.lint.rule import found, rule

Parents = dict[Value, set[Value]]


@rule("TRN510", Severity.ERROR, needs=(b"optim",))
def parameters_twice(script: Script) -> Iterator[Finding]:
    """One optimizer is given the same module's parameters twice.

    Parameters that stand in two groups raise a ValueError ("some parameters appear in more than one
    parameter group"); twice in one group they are stepped twice, with a warning. It happens most
    when the whole model and one of its layers are both handed over.

    A layer counts as part of a model where the model's attribute is set to it, once, or where it
    is an attribute of one of torchvision's models.

    Bad:
        import torch
        import torchvision

        model = torchvision.models.resnet18()
        optimizer = torch.optim.SGD(
            [
                {"params": model.parameters()},
                {"params": model.fc.parameters(), "lr": 0.1},  # TRN510
            ],
            lr=0.01,
        )
    Good:
        import torch
        import torchvision

        model = torchvision.models.resnet18()
        head = {id(p) for p in model.fc.parameters()}
        optimizer = torch.optim.SGD(
            [
                {"params": [p for p in model.parameters() if id(p) not in head]},
                {"params": model.fc.parameters(), "lr": 0.1},
            ],
            lr=0.01,
        )

    Source: torch.optim.Optimizer.add_param_group, which raises on parameters of another group.
    """
    parents = parents_of(script)
    added = list(script.events("method"))
    for event in made_optimizers(script):
        given = event.argument(0, "params")
        if given is None:
            continue
        parts = list(parameter_parts(given.value))
        places = [(module, value, given.site) for module, value in parts]
        places += _added_groups(added, event)
        yield from _repeated(places, parents)


def _added_groups(events: list[Event], made: Event) -> list[tuple[Value, Value, Site]]:
    """What `add_param_group` adds to the optimizer, unconditionally."""
    return [
        (module, value, event.args[0].site)
        for event in events
        if _adds_to(event, made)
        for module, value in parameter_parts(event.args[0].value)
    ]


def _adds_to(event: Event, made: Event) -> bool:
    if event.receiver is not made.result or event.callee != "add_param_group" or not event.args:
        return False
    return event.loops == made.loops and event.conditions == made.conditions


def _repeated(places: list[tuple[Value, Value, Site]], parents: Parents) -> Iterator[Finding]:
    for index, (module, value, site) in enumerate(places):
        for other, before, first in places[:index]:
            if before is value or not _overlap(module, other, parents):
                continue  # one generator in two places is used up by the first
            text = _text(value)
            yield found(
                value.site if isinstance(value, Obj) and value.site else site,
                f"{text} are given to this optimizer twice: they are in {_text(before)} as well",
                related=[(_site(before) or first, "here they are given already")],
                hint="leave out of the one what the other holds",
            )
            break


def _overlap(one: Value, other: Value, parents: Parents) -> bool:
    if not (_is_known(one) and _is_known(other)):
        return False
    return one in holders(other, parents) or other in holders(one, parents)


def _is_known(module: Value) -> bool:
    """A module that is known, or an attribute of a ready-made model."""
    outer = owner_of(module)
    while outer is not None:
        if isinstance(outer, Obj):
            return is_zoo_module(outer)
        outer = owner_of(outer)
    return isinstance(module, Obj) and module.kind == "module"


def _site(value: Value) -> Site | None:
    return value.site if isinstance(value, Obj) else None


def _text(value: Value) -> str:
    site = _site(value)
    return f"the parameters of `{site.text}`" if site is not None else "the parameters"
