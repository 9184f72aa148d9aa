"""Where the nodes of a tree stand, worked out for the statements that are asked for.

libcst's own provider writes the whole module out again, which takes longer than parsing and
lowering together. Here the standard library's `ast` says where each statement begins and ends, and
only the statement around a node is written out, without the blocks below it, to find the node in
it. Where the two trees do not match, libcst's provider is asked after all.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, cast

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from libcst.metadata.position_provider import PositionProvidingCodegenState

from trainlint.lint.lower.syntax import children

# First line, column, last line, end column: lines from 1, columns from 0.
Range = tuple[int, int, int, int]


class _MismatchError(Exception):
    """The two trees do not tell of the same statements."""


@dataclass(eq=False)
class _Unit:
    """What is written out at once: a line of small statements, or a compound one's heading.

    `anchor` is the node of which `ast` knows the place, that of `known`.
    """

    node: cst.CSTNode
    anchor: cst.CSTNode
    known: ast.stmt | ast.ExceptHandler
    indents: tuple[str, ...]
    elif_: bool = False
    computed: dict[cst.CSTNode, CodeRange] = field(default_factory=dict, init=False)


class Positions:
    """The places of one module's nodes."""

    def __init__(self, module: cst.Module, code: str, lines: Sequence[str]) -> None:
        self._module = module
        self._code = code
        self._lines = lines
        self._units: dict[cst.CSTNode, _Unit] | None = None
        self._all: dict[cst.CSTNode, CodeRange] | None = None

    def of(self, node: cst.CSTNode) -> Range:
        """Where a node stands."""
        if self._units is None:
            self._units = self._index()
        unit = self._units.get(node)
        if unit is not None:
            known = self._in_unit(unit, node)
            if known is not None:
                return known
        if self._all is None:
            wrapper = MetadataWrapper(self._module, unsafe_skip_copy=True)
            self._all = dict(wrapper.resolve(PositionProvider))
        at = self._all[node]
        return at.start.line, at.start.column, at.end.line, at.end.column

    # -- one unit ------------------------------------------------------------------------------

    def _in_unit(self, unit: _Unit, node: cst.CSTNode) -> Range | None:
        first = self._begin(unit.known)
        if node is unit.anchor is unit.node:
            return (*first, *self._end(unit.known))
        if not unit.computed:
            self._write(unit)
        at, anchor = unit.computed.get(node), unit.computed.get(unit.anchor)
        if at is None or anchor is None or anchor.start.column != first[1]:
            return None
        shift = first[0] - anchor.start.line
        return at.start.line + shift, at.start.column, at.end.line + shift, at.end.column

    def _write(self, unit: _Unit) -> None:
        state = PositionProvidingCodegenState(
            default_indent=self._module.default_indent,
            default_newline=self._module.default_newline,
            provider=cast(Any, _Places(unit.computed)),
            indent_tokens=list(unit.indents),
        )
        heading: Any = _without_blocks(unit.node)
        if unit.elif_:
            heading._codegen(state, is_elif=True)
        else:
            heading._codegen(state)
        if heading is not unit.node and heading in unit.computed:
            unit.computed[unit.node] = unit.computed[heading]

    def _begin(self, known: ast.stmt | ast.ExceptHandler) -> tuple[int, int]:
        return known.lineno, self._characters(known.lineno, known.col_offset)

    def _end(self, known: ast.stmt | ast.ExceptHandler) -> tuple[int, int]:
        line, column = known.end_lineno or known.lineno, known.end_col_offset or 0
        return line, self._characters(line, column)

    def _characters(self, line: int, offset: int) -> int:
        """A column from the count of UTF-8 bytes that `ast` gives."""
        text = self._lines[line - 1]
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))

    # -- all units -----------------------------------------------------------------------------

    def _index(self) -> dict[cst.CSTNode, _Unit]:
        """The unit of each node; empty where the two trees cannot be paired."""
        units: dict[cst.CSTNode, _Unit] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(self._code)
            for unit in self._pair(self._module.body, tree.body, ()):
                units[unit.node] = unit
                waiting = list(_inside(unit.node))
                while waiting:
                    node = waiting.pop()
                    units[node] = unit
                    waiting += children(node)
        except (SyntaxError, ValueError, RecursionError, MemoryError, _MismatchError):
            return {}
        return units

    def _pair(
        self, body: Sequence[cst.CSTNode], known: Sequence[ast.stmt], indents: tuple[str, ...]
    ) -> Iterator[_Unit]:
        """The units of a block; raises _MismatchError."""
        index = 0
        for statement in body:
            if isinstance(statement, cst.SimpleStatementLine):
                small = statement.body
                if index >= len(known):
                    raise _MismatchError
                yield _Unit(statement, small[0], known[index], indents)
                index += len(small)
            elif index < len(known):
                yield from self._pair_compound(statement, known[index], indents)
                index += 1
            else:
                raise _MismatchError
        if index != len(known):
            raise _MismatchError

    def _pair_compound(
        self,
        statement: cst.CSTNode,
        known: ast.stmt | ast.ExceptHandler,
        indents: tuple[str, ...],
        elif_: bool = False,
    ) -> Iterator[_Unit]:
        if type(statement).__name__.removesuffix("Star") not in _names(known):
            raise _MismatchError
        yield _Unit(statement, statement, known, indents, elif_)
        for name in ("body", "orelse", "finalbody"):
            part, items = getattr(statement, name, None), getattr(known, name, [])
            if isinstance(part, cst.If):
                if len(items) != 1:
                    raise _MismatchError
                yield from self._pair_compound(part, items[0], indents, elif_=True)
                continue
            suite = part if name == "body" else getattr(part, "body", None)
            if isinstance(suite, cst.IndentedBlock):
                indent = suite.indent
                inner = self._module.default_indent if indent is None else indent
                yield from self._pair(suite.body, items, (*indents, inner))
        handlers = zip_longest(getattr(statement, "handlers", ()), getattr(known, "handlers", ()))
        for one, handler in handlers:
            if one is None or handler is None:
                raise _MismatchError
            yield from self._pair_compound(one, handler, indents)


@dataclass
class _Places:
    """What libcst's state writes positions to."""

    _computed: dict[cst.CSTNode, CodeRange]


def _names(known: ast.stmt | ast.ExceptHandler) -> tuple[str, ...]:
    """What libcst calls a compound statement of `ast`."""
    name = type(known).__name__.removeprefix("Async").removesuffix("Star")
    return (name, "ExceptHandler", "ExceptStarHandler") if name == "ExceptHandler" else (name,)


# The parts of a compound statement that are units of their own, or in none.
_APART = frozenset({
    cst.IndentedBlock, cst.Else, cst.Finally, cst.MatchCase, cst.If, cst.ExceptHandler,
    cst.ExceptStarHandler,
})  # fmt: skip


def _inside(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The children that are written out with a statement: not its blocks."""
    return (child for child in children(node) if type(child) not in _APART)


_EMPTY = cst.IndentedBlock([cst.SimpleStatementLine([cst.Pass()])])


def _without_blocks(node: cst.CSTNode) -> cst.CSTNode:
    """The node with the blocks below it made empty; its other children are the same objects."""
    changes: dict[str, Any] = {}
    if isinstance(getattr(node, "body", None), cst.IndentedBlock):
        changes["body"] = _EMPTY
    for name in ("orelse", "finalbody"):
        if getattr(node, name, None) is not None and not isinstance(node, cst.IfExp):
            changes[name] = None
    if isinstance(node, (cst.Try, cst.TryStar)):
        handler = cst.ExceptStarHandler if isinstance(node, cst.TryStar) else cst.ExceptHandler
        changes["handlers"] = [handler(type=cst.Name("x"), body=_EMPTY)]
    if isinstance(node, cst.Match):
        changes["cases"] = [cst.MatchCase(cst.MatchAs(), body=_EMPTY)]
    return node.with_changes(**changes) if changes else node
