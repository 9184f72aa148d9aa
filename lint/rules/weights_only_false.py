"""TRN712."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN712", Severity.INFO, needs=(b"weights_only",))
def weights_only_false(script: Script) -> Iterator[Finding]:
    """`torch.load` is told `weights_only=False`: the file may run any code.

    Since torch 2.6 it loads tensors and plain containers only, by default. With `False` it
    unpickles whatever the file holds, and a file from someone else can do anything.

    A checkpoint of one's own with other objects in it needs it, so this only advises.

    Bad:
        import torch

        state = torch.load("model.pt", weights_only=False)  # TRN712
    Good:
        import torch

        state = torch.load("model.pt", weights_only=True)

    Source: the documentation of torch.load, on `weights_only`.
    """
    for event in script.events("load"):
        for arg in event.args:
            off = isinstance(arg.value, Const) and arg.value.value is False
            if event.callee == "torch.load" and arg.keyword == "weights_only" and off:
                yield found(
                    arg.site,
                    "whatever this file holds is unpickled, and may run any code",
                    hint="save states only, or allow classes by `torch.serialization`"
                    ".add_safe_globals",
                )
