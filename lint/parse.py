"""From a source's code to libcst's tree, or to one sentence that says why not."""

from __future__ import annotations

import ast
import gc
import re
import sys
import warnings

import libcst as cst

from trainlint.lint.feeds import without_feeds
from trainlint.lint.problem import Unreadable
from trainlint.lint.source import Source

# Characters; code that is longer is generated, and libcst would take a minute for it.
_LONGEST = 2_000_000

# libcst needs minutes and gigabytes of stack for what Python itself refuses as too deep; where
# one of these is passed, Python is asked first.
_LONG_LINE = 2_000
_LARGE = 200_000
_DEPTH = 60
_PYTHONS_LIMIT = 1000

_PYTHON_2 = re.compile(
    r"Missing parentheses in call to|multiple exception types must be parenthesized"
    r"|leading zeros in decimal integer|invalid decimal literal.*0[0-7]+L|<>"
)
_TOO_DEEP = "the code is nested too deeply"


def parse(source: Source) -> cst.Module:
    """Parse a source's code; raises Unreadable, with the place in the original file."""
    if len(source.code) > _LONGEST:
        raise Unreadable(
            f"{len(source.code) / 1e6:.1f} million characters of code: more than the "
            f"{_LONGEST / 1e6:.0f} million that trainlint reads",
            "if the file is generated, leave it out with --exclude",
        )
    if _is_suspicious(source.code):
        deep = _depth_problem(source.code)
        if deep is not None:
            raise deep
    # The tree is all new, long-lived objects: collecting garbage meanwhile finds none.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return cst.parse_module(without_feeds(source.code).code)
    except cst.ParserSyntaxError as error:
        raise _syntax_problem(source, error) from None
    except (RecursionError, cst.CSTValidationError) as error:
        raise Unreadable(_TOO_DEEP if isinstance(error, RecursionError) else str(error)) from None
    finally:
        if was_enabled:
            gc.enable()


def check_syntax(source: Source) -> None:
    """Whether Python can parse a source that need not be lowered; raises Unreadable."""
    if len(source.code) > _LONGEST:
        return
    try:
        _python_tree(source.code)
    except SyntaxError as error:
        raise _syntax_error(source, error) from None
    except (ValueError, RecursionError, MemoryError):
        return


def _syntax_error(source: Source, error: SyntaxError) -> Unreadable:
    """Python's own words for it; they are better known than libcst's."""
    hint = None
    if _PYTHON_2.search(str(error.msg)):
        hint = "this looks like Python 2; trainlint reads Python 3"
    return _placed(source, f"syntax error: {error.msg}", hint, error.lineno or 1, error.offset or 1)


def _placed(source: Source, message: str, hint: str | None, line: int, column: int) -> Unreadable:
    line, column = min(max(line, 1), len(source.code_lines) or 1), max(column, 1)
    at = source.location(line, column - 1, line, column)
    return Unreadable(message, hint, at.line, at.column, at.cell)


def _is_suspicious(code: str) -> bool:
    if len(code) > _LARGE or _longest_line(code) > _LONG_LINE:
        return True
    depth = deepest = 0
    for bracket in re.findall(r"[()\[\]{}]", code):
        depth = depth + 1 if bracket in "([{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest > _DEPTH


def _longest_line(code: str) -> int:
    return max(map(len, code.split("\n")))


def _depth_problem(code: str) -> Unreadable | None:
    """Whether Python itself finds the code too deep; of other errors libcst speaks."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(_PYTHONS_LIMIT)  # Python measures the depth of code by it
    try:
        _python_tree(code)
    except (RecursionError, MemoryError):
        return Unreadable(_TOO_DEEP, hint="Python cannot compile it either")
    except SyntaxError as error:
        if "too many nested" in str(error.msg):
            return Unreadable(_TOO_DEEP, hint="Python cannot compile it either", line=error.lineno)
    except ValueError:
        return None
    finally:
        sys.setrecursionlimit(limit)
    return None


def _python_tree(code: str) -> ast.AST:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _syntax_problem(source: Source, error: cst.ParserSyntaxError) -> Unreadable:
    """What is wrong with code that libcst cannot read: Python's words where it has some."""
    try:
        _python_tree(source.code)
    except SyntaxError as known:
        return _syntax_error(source, known)
    except (ValueError, RecursionError, MemoryError):
        pass
    message = error.message.split(" @ ")[0]
    text = f"syntax that this version of trainlint cannot read ({message})"
    return _placed(source, text, None, error.raw_line, error.raw_column + 1)
