"""Positions are libcst's own, for every node that a rule can point at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest
from command import ROOT
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from trainlint.lint.lower.syntax import children
from trainlint.lint.positions import Positions
from trainlint.lint.source import split_lines

ODD = '''\
# é before
@decorator
# a comment
@other(
    1,
)
async def größe(a, b=("ü", 2), *args, c: int = 3, **rest) -> None:
    """Docstring,
    of two lines."""
    async with a as x, (yield) as y:
        pass
    async for i in range(3): pass
    else:
        return; x = "ä"; y = x
if a: b
elif (c :=
      d):
    e
elif f: g
else:
    h = [i
         for i in j if k]
try:
\tx = 1
except (A, B) as error:
\ty = 2
except C:
\tz = 3
else:
\tpass
finally:
\tw = f"{x!r:>{y}} {'ü'}" \\
\t    + z
while True:
    class K(A, metaclass=M): x: int = 1
    break
match p:
    case [1, *rest] if rest:
        q = 1
    case {"k": v}:
        del v
with (open("f") as f,
      open("g") as g): pass
lambda *a, k=1: (a, k)
'''

# Blocks have no place of their own that a rule could want.
_SKIPPED = (cst.Module, cst.IndentedBlock, cst.SimpleStatementSuite, cst.Else, cst.Finally)


def _nodes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in children(node):
        yield from _nodes(child)


def _assert_same(code: str) -> None:
    module = cst.parse_module(code)
    known = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    positions = Positions(module, code, split_lines(code))
    for node in _nodes(module):
        if not isinstance(node, _SKIPPED):
            at: CodeRange = known[node]
            wanted = (at.start.line, at.start.column, at.end.line, at.end.column)
            assert positions.of(node) == wanted, type(node)


def test_every_kind_of_statement() -> None:
    _assert_same(ODD)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends(end: str) -> None:
    _assert_same(ODD.replace("\n", end))


def test_what_this_python_cannot_parse_is_asked_of_libcst() -> None:
    _assert_same("print(f'{x}')\nif x:\n    y = 1\n" + "import torch; " * 3 + "z = (1, )\n")
    code = "x = 1\ny = 2\n"
    module = cst.parse_module(code)
    positions = Positions(module, "x = (", split_lines(code))  # as if `ast` refused it
    assert positions.of(module.body[1]) == (2, 0, 2, 5)


@pytest.mark.parametrize("path", sorted((ROOT / "lint").rglob("*.py")), ids=lambda path: path.stem)
def test_our_own_files(path: Path) -> None:
    _assert_same(path.read_text(encoding="utf-8"))
