"""TRN711."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.checkpoints import handed_over, has_torch_state, saved_path
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.mentions import every
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

# What can be asked of the tuple of missing and unexpected keys.
_OF_TUPLE = ("_asdict", "_replace", "index", "count")
_USES = ("opaque", "forward", "train", "eval", "state", "step", "zero_grad", "schedule", "load")


@rule("TRN711", Severity.ERROR, needs=(b"load_state_dict", b"torch.load"))
def load_result_assigned(script: Script) -> Iterator[Finding]:
    """What loading returns is used as the model.

    `load_state_dict` loads into the object that it is called on. It returns the lists of missing
    and unexpected keys (of an optimizer: None), and no model: `model(x)` then fails. So it does
    where `torch.load` reads a file that holds a `state_dict`: a dictionary.

    Found where the object is known to be torch's, and its name is given the result, or the result
    is called or asked for a model's methods.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model = model.load_state_dict(torch.load("model.pt"))  # TRN711
        print(model(torch.randn(8, 4)))
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict(torch.load("model.pt"))
        print(model(torch.randn(8, 4)))

    Fix safety: the assignment is taken away, and the call stays.
    Source: the documentation of torch.nn.Module.load_state_dict, on what it returns.
    """
    for event in script.events("load"):
        if event.callee == "load_state_dict" and has_torch_state(event.receiver):
            yield from _loaded_into(script, event)
        elif event.callee == "torch.load":
            yield from _read(script, event)


def _loaded_into(script: Script, event: Event) -> Iterator[Finding]:
    assign = _assignment(script, event)
    again = assign is not None and dotted(assign.targets[0].target) == event.receiver_text
    use = _use_of(script, event)
    if not again and use is None:
        return
    fix = None
    if again and assign is not None:
        edit = script.edit(assign, script.module.code_for_node(assign.value))
        fix = None if edit is None else Fix("Take the assignment away", (edit,), safe=True)
    yield found(
        event.site,
        f"`{event.receiver_text}.load_state_dict(…)` loads in place: what it returns is no model",
        related=[(use.site, "here it is used as one")] if use is not None else [],
        hint=f"call it on a line of its own, and go on with `{event.receiver_text}`",
        fix=fix,
    )


def _assignment(script: Script, event: Event) -> cst.Assign | None:
    """The assignment, to one name, of a call's result."""
    for node in every(script.module, cst.Assign):
        if node.value is event.site.node:
            return node if len(node.targets) == 1 else None
    return None


def _use_of(script: Script, event: Event) -> Event | None:
    """Where a result is called, or asked for a method that a model has."""
    for use in script.events(*_USES):
        if use.receiver is event.result and use.callee not in _OF_TUPLE:
            return use
    return None


def _read(script: Script, event: Event) -> Iterator[Finding]:
    """A file that was saved as a state, and is used as the model."""
    path = saved_path(event, 0)
    saves = [
        save for save in script.events("save") if path is not None and saved_path(save) == path
    ]
    use = _use_as_module(script, event)
    if saves and use is not None and all(_saves_state(script, save) for save in saves):
        yield found(
            event.site,
            f"`{path}` holds a `state_dict`, and no model: what is loaded cannot be used as one",
            related=[(saves[0].site, "it is saved here"), (use.site, "here it is used as a model")],
            hint="make the model, and hand what is loaded to its `load_state_dict`",
        )


def _saves_state(script: Script, save: Event) -> bool:
    saved = handed_over(save)
    states = (one for one in script.events("state") if has_torch_state(one.receiver))
    return any(one.result is saved for one in states)


def _use_as_module(script: Script, event: Event) -> Event | None:
    use = _use_of(script, event)
    as_module = use is not None and (
        use.kind in ("train", "eval", "state", "load")
        or (use.kind == "opaque" and isinstance(use.site.node, cst.Call)
            and not isinstance(use.site.node.func, cst.Attribute))
    )  # fmt: skip
    return use if as_module else None
