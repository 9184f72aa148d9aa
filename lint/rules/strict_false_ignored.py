"""TRN714."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.checkpoints import has_torch_state
from trainlint.lint.lower.values import Const
from trainlint.lint.mentions import every
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule


@rule("TRN714", Severity.INFO, needs=(b"load_state_dict",))
def strict_false_ignored(script: Script) -> Iterator[Finding]:
    """Weights are loaded with `strict=False`, and nobody looks at which keys did not fit.

    If the names differ by a prefix (`module.`), nothing at all is loaded, and training begins from
    random weights without a word. The call returns the missing and the unexpected keys.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict(torch.load("model.pt"), strict=False)  # TRN714
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        missing, unexpected = model.load_state_dict(torch.load("model.pt"), strict=False)
        print("not loaded:", missing, unexpected)

    Source: the documentation of torch.nn.Module.load_state_dict, on `strict` and what it returns.
    """
    statements = {node.value for node in every(script.module, cst.Expr)}
    for event in script.events("load"):
        if event.callee == "load_state_dict" and event.site.node in statements and _is_lax(event):
            yield found(
                event.site,
                "keys that do not fit are passed over, and nobody is told which",
                hint="look at what the call returns: `missing_keys` and `unexpected_keys`",
            )


def _is_lax(event: Event) -> bool:
    strict = event.argument(1, "strict")
    off = strict is not None and isinstance(strict.value, Const) and strict.value.value is False
    return off and has_torch_state(event.receiver)
