"""Small readings of libcst nodes that lowering shares."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache, lru_cache

import libcst as cst

# Fields that hold only layout, or names that are not expressions.
_LAYOUT = ("whitespace", "lpar", "rpar", "lbracket", "rbracket", "lbrace", "rbrace", "comma")
_SKIPPED = {"header", "footer", "leading_lines", "lines_after_decorators", "semicolon", "equal"}


_SEQUENCES = frozenset({list, tuple})


_nodes: dict[type, bool] = {}


def _is_node(kind: type) -> bool:
    # `isinstance` asks an abstract base class each time, and this is asked most of all.
    known = _nodes.get(kind)
    if known is None:
        known = _nodes[kind] = issubclass(kind, cst.CSTNode)
    return known


@cache
def _walked_fields(cls: type[cst.CSTNode]) -> tuple[str, ...]:
    """The fields of a node class that can hold expressions or statements, in source order."""
    return tuple(
        field.name
        for field in fields(cls)
        if not field.name.startswith(_LAYOUT)
        and field.name not in _SKIPPED
        and field.type is not str
    )


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The child nodes in source order, layout left out."""
    found: list[cst.CSTNode] = []
    for name in _walked_fields(type(node)):
        value = getattr(node, name)
        kind = type(value)
        if kind in _SEQUENCES:
            found += [item for item in value if _is_node(type(item))]
        elif value is not None and _is_node(kind):
            found.append(value)
    return found


def dotted(node: cst.CSTNode) -> str | None:
    """`a.b.c` of a name or attribute chain; None for anything else."""
    parts: list[str] = []
    while type(node) is cst.Attribute:  # asked most often: `isinstance` asks abstract classes
        parts.append(node.attr.value)
        node = node.value
    if type(node) is not cst.Name:
        return None
    parts.append(node.value)
    return ".".join(reversed(parts))


def string_of(node: cst.CSTNode | None) -> str | None:
    """The text of a plain or concatenated string literal; None for f-strings, bytes and others."""
    if type(node) is cst.SimpleString:
        value = _literal(node.value)
        return value if isinstance(value, str) else None
    if type(node) is cst.ConcatenatedString:
        left, right = string_of(node.left), string_of(node.right)
        return left + right if left is not None and right is not None else None
    return None


def constant_of(node: cst.CSTNode) -> tuple[bool, object]:
    """(True, value) of a literal, (False, None) of anything else."""
    if type(node) is cst.Integer or type(node) is cst.Float:
        return True, _literal(node.value)
    if type(node) is cst.Name and node.value in _NAMED:
        return True, _NAMED[node.value]
    text = string_of(node)
    return text is not None, text


_NAMED: dict[str, object] = {"True": True, "False": False, "None": None}


@lru_cache(maxsize=4096)
def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


# Statements by which control leaves a loop, or the function around it.
WAYS_OUT = (cst.Break, cst.Return, cst.Raise)


def statements(body: cst.BaseSuite | cst.Module) -> Iterator[cst.CSTNode]:
    """The statements of a suite, small ones one by one."""
    for statement in body.body:
        if isinstance(statement, cst.SimpleStatementLine):
            yield from statement.body
        else:
            yield statement


def docstring_node(body: cst.BaseSuite | cst.Module) -> cst.BaseExpression | None:
    """The string expression that opens a suite, if one does."""
    first = next(statements(body), None)
    if isinstance(first, cst.Expr) and string_of(first.value) is not None:
        return first.value
    return None


def parameters(params: cst.Parameters) -> Iterator[cst.Param]:
    """Every parameter, in call order: positional-only, plain, `*args`, keyword-only, `**kwargs`."""
    yield from params.posonly_params
    yield from params.params
    if isinstance(params.star_arg, cst.Param):
        yield params.star_arg
    yield from params.kwonly_params
    if params.star_kwarg is not None:
        yield params.star_kwarg


def target_names(target: cst.CSTNode) -> Iterator[cst.Name]:
    """The plain names that an assignment target binds."""
    if isinstance(target, cst.Name):
        yield target
    elif isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from target_names(element.value)
    elif isinstance(target, cst.StarredElement):
        yield from target_names(target.value)


# Names, attributes and plain indexes.
_SAME_AGAIN = re.compile(r"[A-Za-z_][\w.]*(\[[\w.'\"]+\])*")


def is_same_again(text: str) -> bool:
    """Whether an expression gives the same object when it is written once more."""
    return _SAME_AGAIN.fullmatch(text) is not None
