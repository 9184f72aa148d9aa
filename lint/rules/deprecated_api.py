"""TRN811."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.torch_api import API, REPLACEMENTS
from trainlint.lint.torch_names import names_of_torch, renamed


@rule("TRN811", Severity.INFO, needs=(b"torch",))
def deprecated_api(script: Script) -> Iterator[Finding]:
    """A name is used that torch marks as deprecated.

    It works still, most with a warning, and may be gone in a later release. Counted are
    `@deprecated`, the warning that a function begins with, and the documentation's own words, as
    `target-torch` of the configuration has them (by default the oldest that is supported).

    Bad:
        from torch import nn

        layer = nn.Linear(4, 4)
        nn.init.xavier_uniform(layer.weight)  # TRN811
    Good:
        from torch import nn

        layer = nn.Linear(4, 4)
        nn.init.xavier_uniform_(layer.weight)

    Fix safety: the fix is offered where torch has the same under another name, and changes no more
    than the name.
    Source: the sources of torch's releases, which the table is made from.
    """
    if not script.whole:
        return
    for named in names_of_torch(script):
        entry = API.deprecated(named.name, script.target_torch)
        if entry is None or named.guarded:
            continue
        instead, same = REPLACEMENTS.get(named.name, (None, False))
        yield found(
            script.location(named.node),
            f"`{named.name}` is deprecated since torch {entry[0]}, or longer",
            hint=f"use {instead}" if instead is not None else f"torch says: {entry[1]}",
            fix=renamed(script, named, instead) if instead is not None and same else None,
        )
