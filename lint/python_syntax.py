"""Whether Python can parse a code, and its own words where it cannot; no parser but its own."""

from __future__ import annotations

import ast
import re
import warnings

from trainlint.lint.problem import Unreadable
from trainlint.lint.source import Source

# Characters; code that is longer is generated, and libcst would take a minute for it.
LONGEST = 2_000_000

_PYTHON_2 = re.compile(
    r"Missing parentheses in call to|multiple exception types must be parenthesized"
    r"|leading zeros in decimal integer|invalid decimal literal.*0[0-7]+L|<>"
)


def check_syntax(source: Source) -> None:
    """Whether Python can parse a source that need not be lowered; raises Unreadable."""
    if len(source.code) > LONGEST:
        return
    try:
        python_tree(source.code)
    except SyntaxError as error:
        raise syntax_error(source, error) from None
    except (ValueError, RecursionError, MemoryError):
        return


def syntax_error(source: Source, error: SyntaxError) -> Unreadable:
    """Python's own words for it; they are better known than libcst's."""
    hint = None
    if _PYTHON_2.search(str(error.msg)):
        hint = "this looks like Python 2; trainlint reads Python 3"
    return placed(source, f"syntax error: {error.msg}", hint, error.lineno or 1, error.offset or 1)


def placed(source: Source, message: str, hint: str | None, line: int, column: int) -> Unreadable:
    """What cannot be read at a place of the code, which is kept within it."""
    line, column = min(max(line, 1), len(source.code_lines) or 1), max(column, 1)
    at = source.location(line, column - 1, line, column)
    return Unreadable(message, hint, at.line, at.column, at.cell)


def python_tree(code: str) -> ast.AST:
    """Python's own tree, its warnings kept back; raises what `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)
