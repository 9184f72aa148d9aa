"""TRN718."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.checkpoints import handed_over, has_torch_state
from trainlint.lint.lower.values import Const, Expr, Obj, Value, options_of
from trainlint.lint.model import Argument, Script
from trainlint.lint.rule import found, rule

_TEXT = ("format", "os.path.join", "builtins.str")


@rule("TRN718", Severity.ERROR, needs=(b"load_state_dict",))
def path_as_state_dict(script: Script) -> Iterator[Finding]:
    """A path is handed to `load_state_dict`, which takes what is in the file.

    `load_state_dict` expects the dictionary itself, and fails on a string: `torch.load` reads
    it from the file.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict("model.pt")  # TRN718
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict(torch.load("model.pt"))

    Fix safety: the fix wraps the path in `torch.load(…)`. What the file holds is not seen, so it
    is unsafe.
    Source: the documentation of torch.nn.Module.load_state_dict and of torch.load.
    """
    for event in script.events("load"):
        given = handed_over(event)
        if event.callee != "load_state_dict" or given is None or not event.args:
            continue
        if has_torch_state(event.receiver) and all(map(_is_path, options_of(given))):
            yield found(
                event.args[0].site,
                f"`{event.args[0].text}` is a path: `load_state_dict` takes what is in the file",
                hint=f"read it first: `torch.load({event.args[0].text})`",
                fix=_fix(script, event.args[0]),
            )


def _is_path(value: Value) -> bool:
    """A string, or a `Path`."""
    if isinstance(value, Const):
        return isinstance(value.value, str)
    if isinstance(value, Obj):
        return value.qualname == "pathlib.Path"
    if not isinstance(value, Expr) or not value.parts:
        return False
    return value.op in _TEXT or (value.op in ("+", "/") and _is_path(value.parts[0]))


def _fix(script: Script, given: Argument) -> Fix | None:
    torch = script.names.module.bindings.get("torch")
    if given.site.script is not script or torch is None or given.keyword is not None:
        return None
    edit = script.edit(given.site.node, f"torch.load({given.text})")
    return None if edit is None else Fix("Load the file first", (edit,), safe=False)
