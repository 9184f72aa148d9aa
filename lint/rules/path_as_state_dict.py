"""TRN718."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Const, Expr, Value
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN718", Severity.ERROR, needs=(b"load_state_dict",))
def path_as_state_dict(script: Script) -> Iterator[Finding]:
    """`load_state_dict` is handed a path instead of what is stored there.

    It takes the dictionary that `torch.load` returns; a string fails.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict("model.pth")  # TRN718
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict(torch.load("model.pth"))

    Fix safety: the fix puts `torch.load(…)` around the path: what was meant, but it is code that
    runs for the first time.
    Source: the PyTorch tutorial "Saving and Loading Models" ("load_state_dict() takes a dictionary
    object, NOT a path").
    """
    for event in script.events("load"):
        given = event.argument(0, "state_dict")
        if event.callee != "load_state_dict" or given is None or not _is_path(given.value):
            continue
        fix = None
        if event.site.script is script and "torch" in script.names.module.bindings:
            edit = script.edit(given.site.node, f"torch.load({given.text})")
            if edit is not None:
                fix = Fix(f"Use `torch.load({given.text})`", (edit,), safe=False)
        yield found(
            given.site,
            f"`load_state_dict` takes a dictionary, and is handed the path {given.text}",
            hint=f"load it first: `torch.load({given.text})`",
            fix=fix,
        )


def _is_path(value: Value) -> bool:
    if isinstance(value, Const):
        return isinstance(value.value, str)
    return isinstance(value, Expr) and value.op in ("os.path.join", "format")
