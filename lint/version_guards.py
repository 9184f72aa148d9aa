"""What runs only with some releases of a library: under a version test, `hasattr`, or `try`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import libcst as cst

from trainlint.lint.lower.syntax import children, dotted, target_names
from trainlint.lint.mentions import every, walk

_WORDS = re.compile(
    r"version|hasattr|getattr|torch_?(ge|lt|le|gt|\d)|is_torch|has_[a-z]|available|legacy"
    r"|compat|old_(torch|api)|new_(torch|api)|find_spec|^dir$",
    re.IGNORECASE,
)
_CATCHING = {"AttributeError", "ImportError", "ModuleNotFoundError", "Exception", "BaseException",
             "TypeError", "RuntimeError"}  # fmt: skip
_EXPECTING = re.compile(r"raises|suppress|skip", re.IGNORECASE)
_LEAVING = (cst.Return, cst.Raise, cst.Continue, cst.Break)


@lru_cache(maxsize=2)
def guarded_nodes(module: cst.Module) -> set[cst.CSTNode]:
    """All nodes that a test of the release, or of what it has, stands before."""
    guards = _Guards(_flags(module))
    guards.visit(module, guarded=False)
    return guards.found


def _flags(module: cst.Module) -> set[str]:
    """Names that hold the answer to such a test: `OLD = parse(torch.__version__) < …`."""
    found: set[str] = set()
    for node in every(module, cst.Assign):
        if _asks(node.value, set()):
            for target in node.targets:
                found.update(name.value for name in target_names(target.target))
    return found


def _asks(test: cst.CSTNode, flags: set[str]) -> bool:
    """Whether an expression asks for a release, or for what it has."""
    for node in walk(test):
        if isinstance(node, cst.Name) and (node.value in flags or _WORDS.search(node.value)):
            return True
    return False


class _Guards:
    def __init__(self, flags: set[str]) -> None:
        self.flags = flags
        self.found: set[cst.CSTNode] = set()

    def visit(self, node: cst.CSTNode, guarded: bool) -> None:
        if guarded:
            self.found.add(node)
        if isinstance(node, (cst.Module, cst.IndentedBlock)):
            self.block(node, guarded)
            return
        guarded = guarded or self.opens(node)
        for child in children(node):
            self.visit(child, guarded)

    def block(self, node: cst.Module | cst.IndentedBlock, guarded: bool) -> None:
        for statement in node.body:
            self.visit(statement, guarded)
            guarded = guarded or self.stops(statement)

    def opens(self, node: cst.CSTNode) -> bool:
        """Whether what stands in a node runs with some releases only."""
        if isinstance(node, (cst.If, cst.IfExp)):
            return _asks(node.test, self.flags)
        if isinstance(node, cst.BooleanOperation):
            return _asks(node.left, self.flags)
        if isinstance(node, (cst.Try, cst.TryStar)):
            return any(_catches(handler.type) for handler in node.handlers)
        if isinstance(node, cst.With):
            return any(_expects(item.item) for item in node.items)
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            return any(_expects(d.decorator) or _asks(d.decorator, self.flags)
                       for d in node.decorators)  # fmt: skip
        return False

    def stops(self, statement: cst.CSTNode) -> bool:
        """Whether a statement lets some releases only get past it."""
        if isinstance(statement, cst.If) and _asks(statement.test, self.flags):
            return any(isinstance(node, _LEAVING) for node in walk(statement.body))
        if isinstance(statement, cst.SimpleStatementLine):
            return any(isinstance(node, cst.Assert) and _asks(node.test, self.flags)
                       for node in statement.body)  # fmt: skip
        return False


def _catches(caught: cst.BaseExpression | None) -> bool:
    return caught is None or any(dotted(one) in _CATCHING for one in _classes(caught))


def _classes(caught: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    if isinstance(caught, cst.Tuple):
        yield from (element.value for element in caught.elements)
    else:
        yield caught


def _expects(node: cst.CSTNode) -> bool:
    return any(isinstance(one, cst.Name) and _EXPECTING.search(one.value) for one in walk(node))
