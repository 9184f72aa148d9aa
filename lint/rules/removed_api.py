"""TRN810."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.torch_api import API, REPLACEMENTS
from trainlint.lint.torch_names import Named, names_of_torch, renamed


@rule("TRN810", Severity.ERROR, needs=(b"torch",))
def removed_api(script: Script) -> Iterator[Finding]:
    """A name is used that torch has no more.

    It raises `AttributeError` or `ImportError`; the functions of linear algebra that moved to
    `torch.linalg` are still there, and raise when they are called. The release that counts is
    `target-torch` of the configuration, by default the oldest that is supported.

    Nothing is said where the script asks for the release or for the name (`hasattr`, `try`, a
    test of `torch.__version__`), or sets the name itself.

    Bad:
        import torch

        values, vectors = torch.symeig(torch.eye(3), eigenvectors=True)  # TRN810
    Good:
        import torch

        values, vectors = torch.linalg.eigh(torch.eye(3))

    Fix safety: the fix is offered where torch has the same under another name, and changes no more
    than the name.
    Source: the sources of torch's releases, which the table is made from.
    """
    if not script.whole:
        return
    said: set[object] = set()
    for named in names_of_torch(script):
        span = API.removed(named.name, script.target_torch)
        if span is None or span.gone is None or named.guarded or named.owner in said:
            continue
        said.add(named.owner)  # what a removed module held went with it
        yield _finding(script, named, span.gone)


def _finding(script: Script, named: Named, gone: str) -> Finding:
    instead, same = REPLACEMENTS.get(named.name, (None, False))
    return found(
        script.location(named.node),
        f"`{named.name}` is not there any more: torch {gone} removed it",
        hint=None if instead is None else f"use {_quoted(instead)}",
        fix=renamed(script, named, instead) if instead is not None and same else None,
    )


def _quoted(instead: str) -> str:
    return instead if "`" in instead or " " in instead else f"`{instead}`"
