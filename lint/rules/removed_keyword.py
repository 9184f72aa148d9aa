"""TRN813."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.mentions import every
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.torch_api import API
from trainlint.lint.torch_names import imported_names, names_of_torch
from trainlint.lint.version_guards import guarded_nodes


@rule("TRN813", Severity.ERROR, needs=(b"torch",))
def removed_keyword(script: Script) -> Iterator[Finding]:
    """A function of torch's is given a keyword that it takes no more.

    It raises `TypeError`. The best known is `verbose` of the schedulers, which torch 2.7 removed.
    The release that counts is `target-torch` of the configuration, by default the oldest that is
    supported. Only functions whose every parameter can be read in torch's sources are judged.

    Nothing is said where the script asks for the release (a test of `torch.__version__`, `try`).

    Bad:
        import torch

        torch.use_deterministic_algorithms(d=True)  # TRN813
    Good:
        import torch

        torch.use_deterministic_algorithms(True)

    Source: the sources of torch's releases, which the table is made from.
    """
    if not script.whole:
        return
    names = {named.node: named.name for named in names_of_torch(script) if not named.imported}
    names |= imported_names(script)
    for call in every(script.module, cst.Call):
        if call.func not in names:
            continue
        for arg in call.args:
            if arg.keyword is not None:
                name, keyword = names[call.func], arg.keyword.value
                gone = API.gone_keyword(name, keyword, script.target_torch)
                if gone is not None and call not in guarded_nodes(script.module):
                    yield found(
                        script.location(arg.keyword),
                        f"`{name}` takes no `{keyword}` any more: torch {gone} removed it",
                        hint=f"leave `{keyword}=` out, or hand the value over by its place",
                    )
