"""TRN806."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN806", Severity.INFO, needs=(b".forward(",))
def forward_called(script: Script) -> Iterator[Finding]:
    """A module's `forward` is called by name.

    `model.forward(x)` passes the hooks over: those of profilers, of spectral and weight norm in
    their old form, of `fully_shard` and of trainlint itself.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        out = model.forward(torch.randn(8, 4))  # TRN806
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        out = model(torch.randn(8, 4))

    Fix safety: the fix calls the module itself; its hooks run then, which is what they are for.
    Source: the documentation of torch.nn.Module.forward ("one should call the Module instance
    afterwards instead of this").
    """
    for event in script.events("method"):
        receiver, node = event.receiver, event.site.node
        if event.callee != "forward" or not isinstance(receiver, Obj) or receiver.kind != "module":
            continue
        if event.receiver_text in ("", "self") or not isinstance(node, cst.Call):
            continue
        own = event.site.script is script
        edit = script.edit(node.func, event.receiver_text) if own else None
        yield found(
            event.site,
            f"`{event.receiver_text}.forward(…)` passes the hooks of the module over",
            hint=f"call `{event.receiver_text}(…)`",
            fix=None if edit is None else Fix("Call the module", (edit,), safe=False),
        )
