"""What a script mentions: attributes that it reads, strings, names that it defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

import libcst as cst

from trainlint.lint.lower.syntax import children, dotted, string_of

_PIECES = (cst.SimpleString, cst.ConcatenatedString)

Node = TypeVar("Node", bound=cst.CSTNode)


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all below it, in source order, layout left out."""
    if isinstance(node, cst.Module):
        yield from _nodes_of(node)
        return
    yield from _below(node)


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


# Most rules walk the whole module: the list is kept for the script that is being checked, and the
# few that it draws in.
@lru_cache(maxsize=4)
def _nodes_of(module: cst.Module) -> tuple[cst.CSTNode, ...]:
    return tuple(_below(module))


@lru_cache(maxsize=4)
def _by_kind(module: cst.Module) -> dict[type[cst.CSTNode], list[cst.CSTNode]]:
    found: dict[type[cst.CSTNode], list[cst.CSTNode]] = {}
    for node in _nodes_of(module):
        found.setdefault(type(node), []).append(node)
    return found


def every(module: cst.CSTNode, kind: type[Node]) -> Iterator[Node]:
    """The nodes of one kind in a tree, in source order."""
    if isinstance(module, cst.Module):
        yield from _by_kind(module).get(kind, ())  # type: ignore[misc]
        return
    for node in walk(module):
        if type(node) is kind:
            yield node


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
