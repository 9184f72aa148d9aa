"""The walk that collects a module's scopes, bindings and uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import libcst as cst

from trainlint.lint.lower import elsewhere
from trainlint.lint.lower.scopes import Names, Scope, Use
from trainlint.lint.lower.syntax import children, dotted, parameters, target_names

N = TypeVar("N", bound=cst.CSTNode)


def lower_names(module: cst.Module, path: str = "") -> Names:
    """Collect scopes, bindings and uses of a whole module; `path` is its file's."""
    walker = _Walker(Names(Scope("module", None, module)), path)
    walker.block(module)
    return walker.names


class _Walker:
    def __init__(self, names: Names, path: str) -> None:
        self.names = names
        self.path = path
        self.scope = names.module
        self.guards = 0

    # -- helpers -------------------------------------------------------------------------------

    def visit(self, node: cst.CSTNode) -> None:
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node)
        else:
            self.visit_children(node)

    def visit_children(self, node: cst.CSTNode) -> None:
        for child in children(node):
            self.visit(child)

    def visit_optional(self, node: cst.CSTNode | None) -> None:
        if node is not None:
            self.visit(node)

    def inside(self, kind: str, node: cst.CSTNode, name: str = "") -> Scope:
        scope = Scope(kind, self.scope, node, name)
        self.names.scopes.append(scope)
        self.scope = scope
        return scope

    def leave(self) -> None:
        assert self.scope.parent is not None
        self.scope = self.scope.parent

    def guarded(self, node: cst.CSTNode) -> None:
        self.guards += 1
        self.visit(node)
        self.guards -= 1

    def use(self, node: cst.Name, attribute: str | None = None) -> None:
        self.names.uses.append(Use(node.value, node, self.scope, attribute, self.guards > 0))

    def block(self, node: cst.Module | cst.IndentedBlock) -> None:
        """Visit statements; what stands after a way out never runs."""
        left = 0
        for statement in node.body:
            self.visit(statement)
            if not left and elsewhere.leaves(statement):
                left = 1
                self.guards += 1
        self.guards -= left

    # -- expressions ---------------------------------------------------------------------------

    def name(self, node: cst.Name) -> None:
        if node.value not in ("True", "False", "None"):
            self.use(node)

    def attribute(self, node: cst.Attribute) -> None:
        if isinstance(node.value, cst.Name):
            self.use(node.value, node.attr.value)
        else:
            self.visit(node.value)

    def call(self, node: cst.Call) -> None:
        if elsewhere.may_bind(node):
            self.names.dynamic = True
        self.visit(node.func)
        for arg in node.args[1:] if elsewhere.only_reads(node) else node.args:
            self.visit(arg.value)

    def subscript(self, node: cst.Subscript) -> None:
        if elsewhere.is_own_module(node):
            self.names.dynamic = True
        self.visit_children(node)

    def set_(self, node: cst.Set) -> None:
        if elsewhere.is_placeholder(node):
            self.names.dynamic = True
        self.visit_children(node)

    def expression(self, node: cst.Expr) -> None:
        if self.scope.kind == "module" and elsewhere.hands_over_module(node.value, self.path):
            self.names.dynamic = True
        self.visit(node.value)

    def named_expression(self, node: cst.NamedExpr) -> None:
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        for name in target_names(node.target):
            scope.bind(name.value, name)

    def lambda_(self, node: cst.Lambda) -> None:
        self.defaults(node.params)
        self.inside("lambda", node)
        for param in parameters(node.params):
            self.scope.bind(param.name.value, param)
        self.visit(node.body)
        self.leave()

    def comprehension(self, node: cst.BaseComp) -> None:
        loop = node.for_in
        self.visit(loop.iter)
        self.inside("comprehension", node)
        self.comprehension_loop(loop, first=True)
        if isinstance(node, cst.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            assert isinstance(node, cst.BaseSimpleComp)
            self.visit(node.elt)
        self.leave()

    def comprehension_loop(self, loop: cst.CompFor, first: bool) -> None:
        if not first:
            self.visit(loop.iter)
        self.target(loop.target)
        for test in loop.ifs:
            self.visit(test.test)
        if loop.inner_for_in is not None:
            self.comprehension_loop(loop.inner_for_in, first=False)

    def annotation(self, node: cst.Annotation) -> None:
        # Annotations may never be evaluated (postponed, in quotes, of locals).
        self.guarded(node.annotation)

    # -- bindings ------------------------------------------------------------------------------

    def target(self, node: cst.CSTNode) -> None:
        """Bind the names of a target; what it only reads (`a` in `a.b = 1`) is used."""
        if isinstance(node, cst.Name):
            self.scope.bind(node.value, node)
        elif isinstance(node, (cst.Tuple, cst.List)):
            for element in node.elements:
                self.target(element.value)
        else:
            owner, _, attribute = (dotted(node) or "").rpartition(".")
            if owner in ("builtins", "__builtins__"):
                self.names.module.bind(attribute, node)
            self.visit(node)

    def assign(self, node: cst.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.target(target.target)

    def ann_assign(self, node: cst.AnnAssign) -> None:
        self.annotation(node.annotation)
        self.visit_optional(node.value)
        self.target(node.target)

    def aug_assign(self, node: cst.AugAssign) -> None:
        self.visit(node.value)
        # `x += 1` reads x, but also binds it: a missing first value is a matter of flow.
        self.target(node.target)

    def for_(self, node: cst.For) -> None:
        self.visit(node.iter)
        self.target(node.target)
        self.visit(node.body)
        self.visit_optional(node.orelse)

    def with_item(self, node: cst.WithItem) -> None:
        self.visit(node.item)
        if node.asname is not None:
            self.target(node.asname.name)

    def except_(self, node: cst.ExceptHandler) -> None:
        if isinstance(node.type, cst.Tuple) and not node.type.lpar and node.name is None:
            # `except E, e:` binds e in Python 2, and names a second class from Python 3.14 on.
            self.guarded(node.type)
        else:
            self.visit_optional(node.type)
        if node.name is not None:
            self.target(node.name.name)
        self.visit(node.body)

    def try_(self, node: cst.Try) -> None:
        if any(elsewhere.catches_name_error(handler) for handler in node.handlers):
            self.guarded(node.body)
        else:
            self.visit(node.body)
        for part in (*node.handlers, node.orelse, node.finalbody):
            self.visit_optional(part)

    def if_(self, node: cst.If | cst.IfExp) -> None:
        self.visit(node.test)
        visit = self.guarded if elsewhere.is_guard(node.test) else self.visit
        (self.guarded if elsewhere.is_never(node.test) else visit)(node.body)
        if node.orelse is not None:
            visit(node.orelse)

    def import_(self, node: cst.Import) -> None:
        self.names.imports.append(node)
        for alias in node.names:
            name = alias.asname.name if alias.asname is not None else alias.name
            bound = dotted(name)
            if bound is not None:
                self.scope.bind(bound.split(".")[0], alias)

    def import_from(self, node: cst.ImportFrom) -> None:
        self.names.imports.append(node)
        if isinstance(node.names, cst.ImportStar):
            self.names.dynamic = True
            return
        for alias in node.names:
            name = alias.asname.name if alias.asname is not None else alias.name
            if isinstance(name, cst.Name):
                self.scope.bind(name.value, alias)

    def global_(self, node: cst.Global | cst.Nonlocal) -> None:
        for item in node.names:
            name = item.name.value
            home = self.names.module if isinstance(node, cst.Global) else self.enclosing(name)
            self.scope.outer[name] = home
            home.bind(name, item)

    def enclosing(self, name: str) -> Scope:
        scope = self.scope.parent
        while scope is not None and name not in scope.bindings:
            scope = scope.parent
        return scope or self.names.module

    def match_name(self, node: cst.MatchAs | cst.MatchStar) -> None:
        if isinstance(node, cst.MatchAs) and node.pattern is not None:
            self.visit(node.pattern)
        if node.name is not None:
            self.scope.bind(node.name.value, node.name)

    def match_mapping(self, node: cst.MatchMapping) -> None:
        for element in node.elements:
            self.visit(element)
        if node.rest is not None:
            self.scope.bind(node.rest.value, node.rest)

    def match_keyword(self, node: cst.MatchKeywordElement) -> None:
        self.visit(node.pattern)  # its key is an attribute's name

    def type_alias(self, node: cst.TypeAlias) -> None:
        self.target(node.name)
        self.guarded(node.value)

    # -- definitions ---------------------------------------------------------------------------

    def defaults(self, params: cst.Parameters) -> None:
        for param in parameters(params):
            self.visit_optional(param.default)
            self.visit_optional(param.annotation)

    def type_parameters(self, node: cst.FunctionDef | cst.ClassDef) -> None:
        for parameter in node.type_parameters.params if node.type_parameters else ():
            self.scope.bind(parameter.param.name.value, parameter)

    def function(self, node: cst.FunctionDef) -> None:
        for decorator in node.decorators:
            self.visit(decorator.decorator)
        self.scope.bind(node.name.value, node)
        self.defaults(node.params)
        self.visit_optional(node.returns)
        self.inside("function", node, node.name.value)
        self.type_parameters(node)
        for param in parameters(node.params):
            self.scope.bind(param.name.value, param)
        self.visit(node.body)
        self.leave()

    def class_(self, node: cst.ClassDef) -> None:
        for decorator in node.decorators:
            self.visit(decorator.decorator)
        self.scope.bind(node.name.value, node)
        for arg in (*node.bases, *node.keywords):
            self.visit(arg.value)
        self.inside("class", node, node.name.value)
        self.type_parameters(node)
        self.visit(node.body)
        self.leave()


_HANDLERS: dict[type[cst.CSTNode], Callable[[_Walker, cst.CSTNode], None]] = {}


def _handle(method: Callable[[_Walker, N], None], *classes: type[cst.CSTNode]) -> None:
    for cls in classes:
        _HANDLERS[cls] = method  # type: ignore[assignment]


_handle(_Walker.name, cst.Name)
_handle(_Walker.attribute, cst.Attribute)
_handle(_Walker.call, cst.Call)
_handle(_Walker.subscript, cst.Subscript)
_handle(_Walker.set_, cst.Set)
_handle(_Walker.expression, cst.Expr)
_handle(_Walker.block, cst.IndentedBlock)
_handle(_Walker.named_expression, cst.NamedExpr)
_handle(_Walker.lambda_, cst.Lambda)
_handle(_Walker.comprehension, cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)
_handle(_Walker.annotation, cst.Annotation)
_handle(_Walker.assign, cst.Assign)
_handle(_Walker.ann_assign, cst.AnnAssign)
_handle(_Walker.aug_assign, cst.AugAssign)
_handle(_Walker.for_, cst.For)
_handle(_Walker.with_item, cst.WithItem)
_handle(_Walker.except_, cst.ExceptHandler)
_handle(_Walker.try_, cst.Try)
_handle(_Walker.if_, cst.If, cst.IfExp)
_handle(_Walker.import_, cst.Import)
_handle(_Walker.import_from, cst.ImportFrom)
_handle(_Walker.global_, cst.Global, cst.Nonlocal)
_handle(_Walker.match_name, cst.MatchAs, cst.MatchStar)
_handle(_Walker.match_mapping, cst.MatchMapping)
_handle(_Walker.match_keyword, cst.MatchKeywordElement)
_handle(_Walker.type_alias, cst.TypeAlias)
_handle(_Walker.function, cst.FunctionDef)
_handle(_Walker.class_, cst.ClassDef)
