"""TRN004."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Confidence, Finding, Severity
from trainlint.lint.branch_binding import HalfBound, half_bound
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.scopes import BUILTINS
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN004", Severity.WARNING, confidence=Confidence.MEDIUM)
def maybe_unbound(script: Script) -> Iterator[Finding]:
    """A name that only an `if` without `else` binds is read whether or not the test held.

    Where the test fails, the read raises an error, or, in a loop, finds what an earlier pass left.

    Chains that choose by a value (`if args.model == "vgg": ... elif args.model == "vit": ...`, by
    `in` a list, by `isinstance`) are left alone: real code enumerates all that can occur, without
    an `else`. So are branches that leave, reads that are tested for themselves, and names that
    anything else binds. The rule is off by default, since right code may know that its test holds.

    Bad:
        import torch

        def validate(model, loader, last_epoch):
            losses = [float(model(x).mean()) for x in loader]
            if last_epoch:
                report = f"{len(losses)} batches"
            print(report)  # TRN004
    Good:
        import torch

        def validate(model, loader, last_epoch):
            losses = [float(model(x).mean()) for x in loader]
            report = ""
            if last_epoch:
                report = f"{len(losses)} batches"
            print(report)

    Source: pylint's possibly-used-before-assignment (E0606) and pyright's
    reportPossiblyUnboundVariable find the general case.
    """
    if not script.whole or has_gaps(script) or script.names.dynamic:
        return
    for one in half_bound(script):
        if one.use.name not in BUILTINS and not any(_chooses(b.test) for b in one.branches):
            yield _finding(script, one)


def _chooses(test: cst.CSTNode) -> bool:
    """Whether a test asks which of several values or classes it has before it."""
    if isinstance(test, cst.BooleanOperation):
        return _chooses(test.left) or _chooses(test.right)
    if isinstance(test, cst.Call):
        name = (dotted(test.func) or "").split(".")[-1]
        return name in ("isinstance", "issubclass", "startswith", "endswith", "is_available")
    if not isinstance(test, cst.Comparison):
        return False
    for target in test.comparisons:
        listed = isinstance(target.comparator, (cst.Tuple, cst.List, cst.Set))
        if isinstance(target.operator, cst.Equal) or (
            isinstance(target.operator, cst.In) and listed
        ):
            return True
    return False


def _finding(script: Script, one: HalfBound) -> Finding:
    tests = " or ".join(
        f"`{script.module.code_for_node(branch.test).strip()}`" for branch in one.branches
    )
    name = one.use.name
    return found(
        script.location(one.use.node),
        f"`{name}` has no value here unless {tests} was true",
        related=[(script.location(node), f"`{name}` is only bound here") for node in one.bindings],
        hint=f"bind `{name}` before the `if`, or in an `else`",
    )
