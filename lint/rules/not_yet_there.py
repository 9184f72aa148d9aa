"""TRN812."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.torch_api import API
from trainlint.lint.torch_names import names_of_torch


@rule("TRN812", Severity.ERROR, default=False, needs=(b"torch",))
def not_yet_there(script: Script) -> Iterator[Finding]:
    """A name is used that came to torch after the release that the script is to run on.

    The release is `target-torch` of the configuration; where the configuration names one, the rule
    is on. Without it, the oldest that is supported counts, and the rule is off.

    Nothing is said where the script asks for the release or for the name (`hasattr`, `try`, a
    test of `torch.__version__`), or sets the name itself.

    Bad:
        import torch

        scaler = torch.amp.GradScaler("cuda")  # TRN812
    Good:
        import torch

        scaler = torch.cuda.amp.GradScaler()

    Source: the sources of torch's releases, which the table is made from.
    """
    if not script.whole:
        return
    said: set[object] = set()
    for named in names_of_torch(script):
        span = API.not_yet(named.name, script.target_torch)
        if span is None or named.guarded or named.owner in said:
            continue
        said.add(named.owner)
        yield found(
            script.location(named.node),
            f"`{named.name}` came with torch {span.came}, and is to run on {script.target_torch}",
            hint=f'ask with `hasattr` first, or set `target-torch = "{span.came}"`',
        )
