"""The order in which one scope's statements bind and read its names.

For each read it is told whether any path may have bound the name by then. Paths are followed
generously: a loop's body may have run before, a handler may follow any part of its `try`, and what
one branch binds counts after all of them. What nothing can have bound is unbound for sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import libcst as cst

from trainlint.lint.lower import elsewhere
from trainlint.lint.lower.scopes import BUILTINS, Names, Scope, Use
from trainlint.lint.lower.syntax import children, dotted
from trainlint.lint.mentions import every

N = TypeVar("N", bound=cst.CSTNode)


def read_unbound(names: Names, scope: Scope) -> Iterator[Use]:
    """The reads of a function's or module's own names that come before anything binds them."""
    walker = _Walker(names, scope)
    walker.run()
    seen: set[cst.CSTNode] = set()
    for use in walker.early:
        if use.node not in seen:
            seen.add(use.node)
            yield use


def home_of(use: Use) -> Scope | None:
    """The scope in which a use finds its name."""
    scope: Scope | None = use.scope
    while scope is not None:
        visible = scope.kind != "class" or scope is use.scope
        if visible and use.name in scope.bindings:
            return scope
        scope = scope.parent
    return None


class _Walker:
    def __init__(self, names: Names, scope: Scope) -> None:
        self.scope = scope
        deletes = any(True for _ in every(names.module.node, cst.Del))
        shared = {name for one in names.scopes for name in one.outer}
        self.own = set(scope.bindings) - shared - (_deleted(scope.node) if deletes else set())
        if scope.kind == "module":
            self.own -= BUILTINS
        self.binders = {node: name for name in self.own for node in scope.bindings[name]}
        self.uses = {use.node: use for use in names.uses if use.name in self.own}
        self.bound: set[str] = set()
        self.early: list[Use] = []
        self.doubts = 0  # what stands here may be skipped, in a pass that may not be the first
        self.first = 0  # in a loop's first pass
        self.settled = 0  # in a loop's later passes
        self.quiet = 0  # nothing is to be told here

    def run(self) -> None:
        node = self.scope.node
        if isinstance(node, cst.FunctionDef):
            given = (cst.Param, cst.TypeParam)
            self.bound |= {name for one, name in self.binders.items() if isinstance(one, given)}
            self.visit(node.body)
        elif isinstance(node, cst.Module):
            self.visit_all(*node.body)

    # -- the walk ------------------------------------------------------------------------------

    def visit(self, node: cst.CSTNode | None) -> None:
        if node is None:
            return
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node)
        else:
            self.visit_all(*children(node))
        if node in self.binders and not isinstance(node, cst.Name):
            self.bound.add(self.binders[node])

    def visit_all(self, *nodes: cst.CSTNode | None) -> None:
        for node in nodes:
            self.visit(node)

    def maybe(self, *nodes: cst.CSTNode | None) -> None:
        """Visit what may be skipped."""
        self.doubts += 1
        self.visit_all(*nodes)
        self.doubts -= 1

    def name(self, node: cst.Name) -> None:
        if node in self.binders:
            self.bound.add(node.value)
            return
        use = self.uses.get(node)
        if use is None or use.guarded or self.quiet or node.value in self.bound:
            return
        if self.first and self.doubts:
            return
        if home_of(use) is self.scope:
            self.early.append(use)

    def repeat(self, *body: cst.CSTNode | None) -> None:
        """A loop: its first pass, then one that any number of passes may have gone before."""
        if self.settled:  # an outer loop's earlier passes bound all that this one binds
            self.visit_all(*body)
            return
        doubts, self.doubts = self.doubts, self.doubts + 1 if self.first else 0
        self.first += 1
        self.visit_all(*body)
        self.first -= 1
        self.doubts = doubts
        if not self.first:
            before = None
            self.settled += 1
            self.quiet += 1
            while before != self.bound:
                before = set(self.bound)
                self.visit_all(*body)
            self.quiet -= 1
            self.visit_all(*body)
            self.settled -= 1

    # -- expressions ---------------------------------------------------------------------------

    def skip(self, node: cst.CSTNode) -> None:
        """What runs later, or names no variable."""

    def attribute(self, node: cst.Attribute) -> None:
        self.visit(node.value)

    def argument(self, node: cst.Arg) -> None:
        self.visit(node.value)

    def named(self, node: cst.NamedExpr) -> None:
        self.visit_all(node.value, node.target)

    def conditional(self, node: cst.IfExp) -> None:
        self.visit(node.test)
        self.maybe(node.body, node.orelse)

    def boolean(self, node: cst.BooleanOperation) -> None:
        self.visit(node.left)
        self.maybe(node.right)

    def comprehension(self, node: cst.BaseComp) -> None:
        self.visit(node.for_in.iter)
        if not isinstance(node, cst.GeneratorExp):
            parts = [part for part in children(node) if part is not node.for_in]
            inner = [part for part in children(node.for_in) if part is not node.for_in.iter]
            self.maybe(*inner, *parts)

    def lambda_(self, node: cst.Lambda) -> None:
        self.defaults(node.params)

    # -- statements ----------------------------------------------------------------------------

    def assign(self, node: cst.Assign) -> None:
        self.visit(node.value)
        self.visit_all(*(target.target for target in node.targets))

    def ann_assign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.visit_all(node.value, node.target)

    def aug_assign(self, node: cst.AugAssign) -> None:
        target = node.target
        if isinstance(target, cst.Name) and target in self.binders:
            self.read_target(target)
            self.visit(node.value)
        else:
            self.visit_all(target, node.value)

    def read_target(self, target: cst.Name) -> None:
        """`x += 1` binds nothing where it finds nothing to add to."""
        unsure = self.quiet or (self.first and self.doubts)
        if target.value not in self.bound and not unsure:
            self.early.append(Use(target.value, target, self.scope, None, False))

    def if_(self, node: cst.If) -> None:
        self.visit(node.test)
        self.maybe(node.body, node.orelse)

    def for_(self, node: cst.For) -> None:
        self.visit(node.iter)
        self.repeat(node.target, node.body)
        self.maybe(node.orelse)

    def while_(self, node: cst.While) -> None:
        self.visit(node.test)
        self.repeat(node.body, node.test)
        self.maybe(node.orelse)

    def with_(self, node: cst.With) -> None:
        for item in node.items:
            self.visit(item.item)
            self.visit(item.asname.name if item.asname is not None else None)
        swallows = any(_swallows(item.item) for item in node.items)
        self.quiet += swallows
        self.visit(node.body)
        self.quiet -= swallows

    def try_(self, node: cst.Try | cst.TryStar) -> None:
        caught = any(elsewhere.catches_name_error(handler) for handler in node.handlers)
        self.quiet += caught
        self.visit(node.body)
        self.quiet -= caught
        self.maybe(*node.handlers, node.orelse)
        self.visit(node.finalbody)

    def handler(self, node: cst.ExceptHandler | cst.ExceptStarHandler) -> None:
        self.visit_all(node.type, node.name.name if node.name is not None else None, node.body)

    def match(self, node: cst.Match) -> None:
        self.visit(node.subject)
        self.maybe(*node.cases)

    def function(self, node: cst.FunctionDef) -> None:
        self.visit_all(*(decorator.decorator for decorator in node.decorators))
        self.defaults(node.params)

    def defaults(self, params: cst.Parameters) -> None:
        for param in (*params.posonly_params, *params.params, *params.kwonly_params):
            self.visit(param.default)

    def class_(self, node: cst.ClassDef) -> None:
        self.visit_all(*(decorator.decorator for decorator in node.decorators))
        self.visit_all(*node.bases, *node.keywords, node.body)

    def import_(self, node: cst.Import | cst.ImportFrom) -> None:
        if not isinstance(node.names, cst.ImportStar):
            self.bound |= {self.binders[alias] for alias in node.names if alias in self.binders}


def _deleted(scope: cst.CSTNode) -> set[str]:
    """Names that the scope deletes: they come and go."""
    found = set()
    for child in children(scope):
        if isinstance(child, cst.Del):
            found |= {node.value for node in _names_in(child)}
        elif not isinstance(child, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            found |= _deleted(child)
    return found


def _names_in(node: cst.CSTNode) -> Iterator[cst.Name]:
    if isinstance(node, cst.Name):
        yield node
    for child in children(node):
        yield from _names_in(child)


def _swallows(node: cst.BaseExpression) -> bool:
    """A context that may be there to catch what goes wrong: `suppress`, `pytest.raises`."""
    name = dotted(node.func) if isinstance(node, cst.Call) else None
    return name is not None and name.split(".")[-1] in ("suppress", "raises", "assertRaises")


_HANDLERS: dict[type[cst.CSTNode], Callable[[_Walker, cst.CSTNode], None]] = {}


def _handle(method: Callable[[_Walker, N], None], *classes: type[cst.CSTNode]) -> None:
    for cls in classes:
        _HANDLERS[cls] = method  # type: ignore[assignment]


_handle(_Walker.name, cst.Name)
_handle(_Walker.skip, cst.Annotation, cst.Global, cst.Nonlocal)
_handle(_Walker.import_, cst.Import, cst.ImportFrom)
_handle(_Walker.attribute, cst.Attribute)
_handle(_Walker.argument, cst.Arg)
_handle(_Walker.named, cst.NamedExpr)
_handle(_Walker.conditional, cst.IfExp)
_handle(_Walker.boolean, cst.BooleanOperation)
_handle(_Walker.comprehension, cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)
_handle(_Walker.lambda_, cst.Lambda)
_handle(_Walker.assign, cst.Assign)
_handle(_Walker.ann_assign, cst.AnnAssign)
_handle(_Walker.aug_assign, cst.AugAssign)
_handle(_Walker.if_, cst.If)
_handle(_Walker.for_, cst.For)
_handle(_Walker.while_, cst.While)
_handle(_Walker.with_, cst.With)
_handle(_Walker.try_, cst.Try, cst.TryStar)
_handle(_Walker.handler, cst.ExceptHandler, cst.ExceptStarHandler)
_handle(_Walker.match, cst.Match)
_handle(_Walker.function, cst.FunctionDef)
_handle(_Walker.class_, cst.ClassDef)
