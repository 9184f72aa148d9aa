"""TRN009."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.syntax import string_of
from trainlint.lint.mentions import mentions, walk
from trainlint.lint.model import Script
from trainlint.lint.neighbours import is_imported
from trainlint.lint.options import Option, Whole, options
from trainlint.lint.rule import found, rule

# What launchers and notebooks pass whether it is wanted or not.
_GIVEN = frozenset({"local_rank", "local-rank", "gpu", "config"})
_KEPT = re.compile(
    r"deprecat|unused|not used|no longer|ignored|compatib|obsolete|dummy|placeholder|has no effect",
    re.IGNORECASE,
)


@rule("TRN009", Severity.INFO, needs=(b"add_argument",))
def unread_option(script: Script) -> Iterator[Finding]:
    """A command-line option is declared and never read.

    Whoever passes `--clip-grad 1.0` believes that gradients are clipped; the option changes
    nothing, and no one is told.

    The rule speaks only where it can see all that reads the options: where they are handed as a
    whole to code of other files, or looked up by names that are no constants, or where another file
    imports this one, it is silent. So it is on options whose name stands anywhere else in the
    script, and whose help says that they are kept for compatibility.

    Bad:
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=0.1)
        parser.add_argument("--clip-grad", type=float, default=None)  # TRN009
        args = parser.parse_args()

        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    Good:
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=0.1)
        args = parser.parse_args()

        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

    Source: the documentation of argparse: an option does nothing but set an attribute of the
    namespace.
    """
    declared = list(options(script))
    if not declared or not script.whole or script.names.dynamic:
        return
    mentioned = mentions(script.module)
    mentioned.subtract(one.dest for one in declared if one.named)
    texts = _texts(script.module)
    unread = [
        one
        for one in declared
        if mentioned[one.dest] <= 0 and not _is_kept(one) and not _is_in(one, texts)
    ]
    if not unread or len(unread) == len(declared):
        return  # none is read here: these are options of other code
    whole = Whole(script)
    if not whole.parsed or whole.open or is_imported(script):
        return
    for option in unread:
        if option.dest not in whole.read:
            yield _finding(script, option)


def _texts(module: cst.Module) -> list[str]:
    """All string literals, f-strings' pieces included."""
    found = []
    for node in walk(module):
        if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)):
            found.append(string_of(node) or "")
    return found


def _is_in(option: Option, texts: list[str]) -> bool:
    """Whether a text asks for the option: as `{clip_grad}`, or once more by its flag."""
    asked = any("{" + option.dest in text or f"%({option.dest})" in text for text in texts)
    return asked or texts.count(option.text) > 1


def _is_kept(option: Option) -> bool:
    helps = [arg.value for arg in option.node.args if arg.keyword and arg.keyword.value == "help"]
    text = string_of(helps[0]) if helps else ""
    return option.dest in _GIVEN or text is None or _KEPT.search(text) is not None


def _finding(script: Script, option: Option) -> Finding:
    return found(
        script.location(option.flag),
        f"the option `{option.text}` is declared, but nothing reads `{option.dest}`",
        hint="use it, or take it away: whoever passes it believes that it does something",
    )
