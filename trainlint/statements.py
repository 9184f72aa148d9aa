"""Which statement a line of a Python file belongs to.

Python names one line of a statement that spans several, and not always the one that a reader
would; two lines are the same place where they belong to one statement.
"""

from __future__ import annotations

import ast
import functools
import tokenize
import warnings
from collections.abc import Iterator

Span = tuple[int, int]


@functools.lru_cache(maxsize=64)
def spans(path: str) -> dict[int, Span]:
    """First and last line of the statement, by line; empty for a file that cannot be parsed.

    Of a compound statement, its head counts. Docstrings are no statements: they never run.
    """
    try:
        with tokenize.open(path) as file:
            return spans_of(file.read())
    except (OSError, SyntaxError, ValueError):
        return {}


def spans_of(code: str, *, texts: bool = False) -> dict[int, Span]:
    """The same for code at hand; with `texts`, docstrings count as statements too."""
    tree = _parsed(code)
    if tree is None:
        return {}
    found: dict[int, Span] = {}
    for first, last in _statements(tree, texts):
        found.update((line, (first, last)) for line in range(first, last + 1))
    return found


def blocks_of(code: str) -> dict[int, Span]:
    """First and last line of a compound statement, by each line of its head."""
    tree = _parsed(code)
    found: dict[int, Span] = {}
    for node in ast.walk(tree) if tree is not None else ():
        body = getattr(node, "body", None)
        if isinstance(node, ast.stmt) and isinstance(body, list) and body:
            head = range(node.lineno, max(node.lineno, _first_line(body[0]) - 1) + 1)
            found.update(dict.fromkeys(head, (_first_line(node), node.end_lineno or node.lineno)))
    return found


def _parsed(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(tree: ast.AST, texts: bool) -> Iterator[Span]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or (_is_text(node) and not texts):
            continue
        first, last = node.lineno, node.end_lineno or node.lineno
        body = getattr(node, "body", None)
        if isinstance(body, list) and body:
            # The body of `if x: y` stands on the head's own line.
            last = max(first, min(last, _first_line(body[0]) - 1))
        yield first, last


def _first_line(node: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(one.lineno for one in decorators)) if decorators else node.lineno


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
