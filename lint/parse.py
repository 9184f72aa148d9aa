"""From a source's code to libcst's tree, or to one sentence that says why not."""

from __future__ import annotations

import gc
import re
import sys

import libcst as cst

from trainlint.lint.feeds import without_feeds
from trainlint.lint.problem import Unreadable
from trainlint.lint.python_syntax import LONGEST, placed, python_tree, syntax_error
from trainlint.lint.source import Source

# libcst needs minutes and gigabytes of stack for what Python itself refuses as too deep; where
# one of these is passed, Python is asked first.
_LONG_LINE = 2_000
_LARGE = 200_000
_DEPTH = 60
_PYTHONS_LIMIT = 1000

_TOO_DEEP = "the code is nested too deeply"


def parse(source: Source) -> cst.Module:
    """Parse a source's code; raises Unreadable, with the place in the original file."""
    if len(source.code) > LONGEST:
        raise Unreadable(
            f"{len(source.code) / 1e6:.1f} million characters of code: more than the "
            f"{LONGEST / 1e6:.0f} million that trainlint reads",
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
        python_tree(code)
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


def _syntax_problem(source: Source, error: cst.ParserSyntaxError) -> Unreadable:
    """What is wrong with code that libcst cannot read: Python's words where it has some."""
    try:
        python_tree(source.code)
    except SyntaxError as known:
        return syntax_error(source, known)
    except (ValueError, RecursionError, MemoryError):
        pass
    message = error.message.split(" @ ")[0]
    text = f"syntax that this version of trainlint cannot read ({message})"
    return placed(source, text, None, error.raw_line, error.raw_column + 1)
