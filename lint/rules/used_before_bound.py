"""TRN003."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.binding_order import read_unbound
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.scopes import BUILTINS, Scope, Use
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN003", Severity.ERROR)
def used_before_bound(script: Script) -> Iterator[Finding]:
    """A name is read before anything can have bound it.

    A name that a function assigns anywhere is the function's own, in all of its body: read earlier,
    or increased by `+=` without a first value, it raises `UnboundLocalError`, even where the module
    has a variable of that name. At module level, the same order of lines raises `NameError`.

    Nothing is said where any path could have bound the name before: in a branch, a handler, an
    earlier pass of a loop, a function that declares it `global`. Names that are deleted, or can
    come from elsewhere, are left alone. A notebook's cells are read from top to bottom.

    Bad:
        import torch

        def train(model, loader, optimizer):
            for x, y in loader:
                loss = torch.nn.functional.mse_loss(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()  # TRN003
            return total
    Good:
        import torch

        def train(model, loader, optimizer):
            total = 0.0
            for x, y in loader:
                loss = torch.nn.functional.mse_loss(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()
            return total

    Source: the Python reference, "Resolution of names": a name that is bound in a block is local to
    it, and reading it before it is bound is an error.
    """
    if script.names.dynamic or not script.whole or has_gaps(script):
        return
    for scope in (script.names.module, *script.names.scopes):
        first: dict[str, list[Use]] = {}
        for use in read_unbound(script.names, scope):
            first.setdefault(use.name, []).append(use)
        for uses in first.values():
            yield _finding(script, scope, uses)


def _finding(script: Script, scope: Scope, uses: list[Use]) -> Finding:
    name, at = uses[0].name, script.location(uses[0].node)
    related = [(script.location(use.node), "also read here") for use in uses[1:]]
    others = [node for node in scope.bindings[name] if node is not uses[0].node]
    if not others:
        message = f"`{name}` is increased, but never given a first value"
    else:
        message = f"`{name}` is read before anything binds it"
        related.append((script.location(_head(others[0])), f"`{name}` is bound here, too late"))
    return found(at, message, related=related, hint=_hint(scope, name))


def _head(node: cst.CSTNode) -> cst.CSTNode:
    return node.name if isinstance(node, (cst.FunctionDef, cst.ClassDef)) else node


def _hint(scope: Scope, name: str) -> str:
    outer, current = None, scope.parent
    while current is not None and outer is None:
        outer = current if current.kind != "class" and name in current.bindings else None
        current = current.parent
    if outer is not None:
        word = "global" if outer.kind == "module" else "nonlocal"
        return (
            f"assigning `{name}` makes it `{scope.name}`'s own; hand the outer value in, or "
            f"declare `{word} {name}`"
        )
    if name in BUILTINS:
        return f"assigning `{name}` hides the builtin in all of `{scope.name}`: rename the variable"
    return f"bind `{name}` first"
