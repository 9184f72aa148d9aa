"""What a script mentions: attributes that it reads, strings, names that it defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import libcst as cst

from trainlint.lint.lower.syntax import children, dotted, string_of

_PIECES = (cst.SimpleString, cst.ConcatenatedString)


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all below it, in source order, layout left out."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(list(children(current))))


def set_attributes(module: cst.CSTNode) -> Iterator[cst.Attribute]:
    """The attributes that plain assignments set."""
    for node in walk(module):
        targets: list[cst.CSTNode] = []
        if isinstance(node, cst.Assign):
            targets = [target.target for target in node.targets]
        elif isinstance(node, cst.AnnAssign):
            targets = [node.target]
        while targets:
            target = targets.pop()
            if isinstance(target, (cst.Tuple, cst.List)):
                targets += [element.value for element in target.elements]
            elif isinstance(target, cst.Attribute):
                yield target


def read_attributes(module: cst.CSTNode) -> Iterator[cst.Attribute]:
    """The attributes that are read: also those that `+=` changes, or `del` takes away."""
    stored = set(set_attributes(module))
    for node in walk(module):
        if isinstance(node, cst.Attribute) and node not in stored:
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
