"""TRN010."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.values import Class
from trainlint.lint.model import Script
from trainlint.lint.module_attributes import MODULE_ATTRIBUTES
from trainlint.lint.neighbours import may_be_set_elsewhere
from trainlint.lint.own_classes import attributes_set, class_names, own_classes, reads_of_self
from trainlint.lint.rule import found, rule


@rule("TRN010", Severity.ERROR, needs=(b"nn",))
def undefined_attribute(script: Script) -> Iterator[Finding]:
    """A module reads an attribute of itself that nothing sets.

    `self.fc2` in `forward`, where `__init__` makes `self.fc_2`, raises `AttributeError` with the
    first batch; in a branch that is seldom taken, after hours.

    The rule speaks of classes that derive from `torch.nn.Module` and from classes that it has read,
    and only where no code of the project sets an attribute of that name, whatever it sets it on, no
    string could name it, and no `setattr`, `__getattr__` or `__dict__` could bring it in. Base
    classes, whose subclasses may set it elsewhere, count as open where another file names them.

    Bad:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc_1 = nn.Linear(4, 1)

            def forward(self, x):
                return self.fc1(x)  # TRN010
    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(4, 1)

            def forward(self, x):
                return self.fc1(x)

    Source: torch.nn.Module.__getattr__ raises AttributeError for what is no parameter, buffer,
    submodule or attribute.
    """
    classes = list(own_classes(script, "torch.nn.Module"))
    if not classes or not script.whole or has_gaps(script):
        return
    somewhere = attributes_set(script.module)
    if somewhere is None:
        return
    for cls in classes:
        yield from _of_class(script, cls, somewhere)


def _of_class(script: Script, cls: Class, somewhere: set[str]) -> Iterator[Finding]:
    family = _family(script, cls)
    bound = set().union(*(class_names(one) for one in family))
    foreign = [one.script for one in family if one.script not in (None, script)]
    for other in foreign:
        more = attributes_set(other.module) if other is not None else set()
        if more is None:
            return
        bound |= more
    first: dict[str, list[cst.Attribute]] = {}
    for node in reads_of_self(cls):
        name = node.attr.value
        if name not in MODULE_ATTRIBUTES and name not in bound and name not in somewhere:
            first.setdefault(name, []).append(node)
    names = {one.name for one in family if cls in one.mro()}
    for name, nodes in first.items():
        if may_be_set_elsewhere(script, names, name):
            continue
        yield _finding(script, cls, name, nodes, bound | somewhere)


def _family(script: Script, cls: Class) -> list[Class]:
    """The class, its bases and its subclasses, with their bases."""
    found = cls.mro()
    for other in script.classes:
        if cls in other.mro():
            found += [one for one in other.mro() if one not in found]
    return found


def _finding(
    script: Script, cls: Class, name: str, nodes: list[cst.Attribute], known: set[str]
) -> Finding:
    owner = script.module.code_for_node(nodes[0].value)
    close = get_close_matches(name, {one for one in known if one.isidentifier()}, 1, 0.8)
    return found(
        script.location(nodes[0]),
        f"`{owner}.{name}` is read, but neither `{cls.name}` nor any other code here sets it",
        related=[(script.location(node), "also read here") for node in nodes[1:]],
        hint=f"did you mean `{owner}.{close[0]}`?" if close else None,
    )
