"""What a script mentions: attributes that it reads, strings, names that it defines."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import libcst as cst

from trainlint.lint.lower.syntax import children, dotted, string_of

_PIECES = (cst.SimpleString, cst.ConcatenatedString)

Node = TypeVar("Node", bound=cst.CSTNode)


class _Tree:
    """A module's nodes in source order, layout left out: what is below a node comes next to it."""

    def __init__(self, module: cst.Module) -> None:
        self.nodes: list[cst.CSTNode] = []
        self._at: dict[int, int] = {}  # by identity: nodes have a slow hash
        self._ends: list[int] = []
        self._kinds: dict[type[cst.CSTNode], list[int]] = {}
        waiting: list[tuple[int, cst.CSTNode]] = [(0, module)]
        above: list[tuple[int, int]] = []  # depth and index of the nodes around
        while waiting:
            depth, node = waiting.pop()
            index = len(self.nodes)
            while above and above[-1][0] >= depth:
                self._ends[above.pop()[1]] = index
            above.append((depth, index))
            self.nodes.append(node)
            self._ends.append(index)
            self._at[id(node)] = index
            self._kinds.setdefault(type(node), []).append(index)
            waiting.extend([(depth + 1, child) for child in reversed(children(node))])
        for _, index in above:
            self._ends[index] = len(self.nodes)

    def extent(self, node: cst.CSTNode) -> tuple[int, int] | None:
        """The index of a node, and that after all below it; None for another tree's."""
        index = self._at.get(id(node))
        return None if index is None else (index, self._ends[index])

    def of_kind(self, kind: type[cst.CSTNode], begin: int, end: int) -> Iterator[cst.CSTNode]:
        """The nodes of one kind between two indexes."""
        found = self._kinds.get(kind, [])
        for index in found[bisect_left(found, begin) : bisect_left(found, end)]:
            yield self.nodes[index]


# Most rules walk the whole module, or classes and functions of it: the trees are kept of the
# script that is being checked, and of the few that it draws in.
_KEPT = 4
_trees: dict[int, _Tree] = {}


def _tree_of(node: cst.CSTNode) -> _Tree | None:
    """The tree of a module, or that which a node is known to be in."""
    known = next((tree for tree in _trees.values() if tree.extent(node) is not None), None)
    if known is None and isinstance(node, cst.Module):
        if len(_trees) >= _KEPT:
            del _trees[next(iter(_trees))]
        known = _trees[id(node)] = _Tree(node)
    return known


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all below it, in source order, layout left out."""
    tree = _tree_of(node)
    extent = tree.extent(node) if tree is not None else None
    if tree is None or extent is None:
        return _below(node)
    return iter(tree.nodes[slice(*extent)])


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def every(node: cst.CSTNode, kind: type[Node]) -> Iterator[Node]:
    """The nodes of one kind in a tree, in source order."""
    tree = _tree_of(node)
    extent = tree.extent(node) if tree is not None else None
    if tree is None or extent is None:
        return (one for one in _below(node) if type(one) is kind)
    return tree.of_kind(kind, *extent)  # type: ignore[return-value]


def set_attributes(module: cst.CSTNode) -> Iterator[cst.Attribute]:
    """The attributes that plain assignments set."""
    targets: list[cst.CSTNode] = [one.target for one in every(module, cst.AssignTarget)]
    targets += [one.target for one in every(module, cst.AnnAssign)]
    while targets:
        target = targets.pop()
        if isinstance(target, (cst.Tuple, cst.List)):
            targets += [element.value for element in target.elements]
        elif isinstance(target, cst.Attribute):
            yield target


def read_attributes(module: cst.CSTNode) -> Iterator[cst.Attribute]:
    """The attributes that are read: also those that `+=` changes, or `del` takes away."""
    stored = set(set_attributes(module))
    for node in every(module, cst.Attribute):
        if node not in stored:
            yield node


def mentions(module: cst.CSTNode) -> Counter[str]:
    """How often each name is read as an attribute, stands in a string, or is defined."""
    found = Counter(node.attr.value for node in read_attributes(module))
    for node in walk(module):
        if isinstance(node, _PIECES):
            text = string_of(node)
            found.update([text] if text is not None else [])
        elif isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Param)):
            found[node.name.value] += 1
        elif isinstance(node, cst.Arg) and node.keyword is not None:
            found[node.keyword.value] += 1
        elif isinstance(node, (cst.AssignTarget, cst.AnnAssign)):
            found[dotted(node.target) or ""] += 1
    return found


_SCOPES = frozenset({cst.FunctionDef, cst.Lambda, cst.ClassDef})


def contains_yield(body: cst.CSTNode) -> bool:
    """Whether a function's own body yields, nested functions left out."""
    return next(every(body, cst.Yield), None) is not None and _yields(body)


def _yields(body: cst.CSTNode) -> bool:
    for child in children(body):
        kind = type(child)
        if kind is cst.Yield or (kind not in _SCOPES and _yields(child)):
            return True
    return False
