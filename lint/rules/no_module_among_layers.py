"""TRN805."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.known import made_by
from trainlint.lint.lower.values import Class, Func, Obj, Ref, Seq, Value
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN805", Severity.ERROR, needs=(b"Sequential(", b"ModuleList("))
def no_module_among_layers(script: Script) -> Iterator[Finding]:
    """A `Sequential` or `ModuleList` is given something that is no module.

    A function of `torch.nn.functional`, a class that is not called, or a list in place of the
    layers: each fails when the container is made.

    Bad:
        import torch
        import torch.nn.functional as F
        from torch import nn

        net = nn.Sequential(nn.Linear(4, 8), F.relu, nn.Linear(8, 1))  # TRN805
    Good:
        import torch
        from torch import nn

        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    Source: the documentation of torch.nn.Sequential.
    """
    for event in script.events("make"):
        made = event.result
        if not isinstance(made, Obj) or made.qualname not in ("torch.nn.Sequential", _LIST):
            continue
        for arg in event.args:
            values = [arg.value]
            if made.qualname == _LIST:
                values = list(arg.value.items) if isinstance(arg.value, Seq) else []
            wrong = next((text for value in values if (text := _wrong(value))), None)
            if wrong is not None and not arg.star and arg.keyword is None:
                yield found(
                    arg.site,
                    f"`{made.qualname.rpartition('.')[2]}` takes modules, and is given {wrong}",
                    hint="hand it instances of modules, one by one: `nn.ReLU()`",
                )


_LIST = "torch.nn.ModuleList"


def _wrong(value: Value) -> str | None:
    """What a value is that cannot be a module; None for all others."""
    if isinstance(value, Ref) and value.name.startswith("torch.nn.functional."):
        return f"the function `{value.name.rpartition('.')[2]}`"
    if isinstance(value, Ref) and made_by(value.name) == "module":
        return f"the class `{value.name.rpartition('.')[2]}`, which is not called"
    if isinstance(value, Class) and "torch.nn.Module" in value.roots():
        return f"the class `{value.name}`, which is not called"
    if isinstance(value, Func):
        return f"the function `{value.name}`"
    return "a list" if isinstance(value, Seq) else None
