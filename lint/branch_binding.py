"""Names that only the branches of an `if` without `else` bind, and that are read after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.lower.scopes import Scope, Use
from trainlint.lint.lower.syntax import statements
from trainlint.lint.mentions import walk
from trainlint.lint.model import Script

_LEAVING = (cst.Return, cst.Raise, cst.Break, cst.Continue)
_DEFINITIONS = (cst.FunctionDef, cst.ClassDef, cst.Lambda)


@dataclass(frozen=True, eq=False)
class HalfBound:
    """A read of a name, and the `if` that alone binds it."""

    use: Use
    branches: tuple[cst.If, ...]
    bindings: tuple[cst.CSTNode, ...]


def half_bound(script: Script) -> Iterator[HalfBound]:
    """The reads that follow, in the same block, an `if` that alone binds what they read."""
    names = script.names
    uses: dict[cst.CSTNode, Use] = {use.node: use for use in names.uses if not use.guarded}
    shared = {name for scope in names.scopes for name in scope.outer}
    for scope in (names.module, *names.scopes):
        node = scope.node
        if isinstance(node, cst.Module):
            yield from _in_block(node, scope, uses, shared)
        elif isinstance(node, cst.FunctionDef):
            yield from _in_block(node.body, scope, uses, shared)


def _in_block(
    block: cst.BaseSuite | cst.Module, scope: Scope, uses: dict[cst.CSTNode, Use], shared: set[str]
) -> Iterator[HalfBound]:
    listed = list(statements(block))
    for index, statement in enumerate(listed):
        if isinstance(statement, cst.If):
            branches = _chain(statement)
            if branches is not None:
                yield from _after(branches, listed[index + 1 :], scope, uses, shared)
        for inner in _blocks(statement):
            yield from _in_block(inner, scope, uses, shared)


def _blocks(statement: cst.CSTNode) -> Iterator[cst.BaseSuite]:
    """The suites in a compound statement, those of definitions left out."""
    if isinstance(statement, _DEFINITIONS):
        return
    for child in statement.children:
        if isinstance(child, cst.BaseSuite):
            yield child
        elif isinstance(child, (cst.If, cst.Else, cst.ExceptHandler, cst.Finally, cst.MatchCase)):
            yield from _blocks(child)


def _chain(node: cst.If) -> tuple[cst.If, ...] | None:
    """The branches of an `if` and its `elif`s; None where one leaves, or an `else` is there."""
    branches = [node]
    while isinstance(branches[-1].orelse, cst.If):
        branches.append(branches[-1].orelse)
    if branches[-1].orelse is not None:
        return None
    for branch in branches:
        if any(isinstance(one, _LEAVING) for one in walk(branch.body)):
            return None
    return tuple(branches)


def _after(
    branches: tuple[cst.If, ...],
    rest: list[cst.CSTNode],
    scope: Scope,
    uses: dict[cst.CSTNode, Use],
    shared: set[str],
) -> Iterator[HalfBound]:
    inside = {node for branch in branches for node in walk(branch.body)}
    for name, bindings in scope.bindings.items():
        if name in shared or not all(node in inside for node in bindings):
            continue
        for statement in rest:
            found = next((u for u in _certain(statement, uses) if u.name == name), None)
            if found is not None:
                if found.scope is scope:
                    yield HalfBound(found, branches, tuple(bindings))
                break
            if any(isinstance(one, _LEAVING) for one in walk(statement)):
                break


def _certain(statement: cst.CSTNode, uses: dict[cst.CSTNode, Use]) -> Iterator[Use]:
    """The reads that happen whenever a statement runs."""
    if isinstance(statement, (cst.If, cst.While)):
        yield from _certain(statement.test, uses)
    elif isinstance(statement, cst.For):
        yield from _certain(statement.iter, uses)
    elif isinstance(statement, (cst.Try, cst.TryStar, *_DEFINITIONS, cst.GeneratorExp)):
        return
    elif isinstance(statement, cst.IfExp):
        yield from _certain(statement.test, uses)
    elif isinstance(statement, cst.BooleanOperation):
        yield from _certain(statement.left, uses)
    elif statement in uses:
        yield uses[statement]
    else:
        for child in statement.children:
            yield from _certain(child, uses)
