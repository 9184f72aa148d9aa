"""Where a script names something of torch's, and whether it does so on one condition or another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from trainlint.finding import Fix
from trainlint.lint.lower.scopes import Scope, Use
from trainlint.lint.lower.syntax import dotted, string_of
from trainlint.lint.mentions import every, set_attributes
from trainlint.lint.model import Script
from trainlint.lint.version_guards import guarded_nodes


@dataclass(frozen=True, eq=False)
class Named:
    """One mention: `node` is the attribute, or the name in an import, that gives the last part."""

    name: str
    node: cst.CSTNode
    script: Script
    asked_for: set[str]
    imported: cst.ImportAlias | None = None  # the mention is this part of an import

    @property
    def guarded(self) -> bool:
        """Whether it is only used where torch has it."""
        place = self.node if self.imported is None else self.imported
        return self.name in self.asked_for or place in guarded_nodes(self.script.module)

    @property
    def owner(self) -> cst.CSTNode:
        """The import, or the name that the chain of attributes begins with."""
        if self.imported is not None:
            return self.imported
        node = self.node
        while isinstance(node, cst.Attribute):
            node = node.value
        return node


@lru_cache(maxsize=2)
def names_of_torch(script: Script) -> tuple[Named, ...]:
    """Every mention of a name of torch's: of `torch.nn.init`, each of its three parts in turn.

    What the script itself sets on torch's modules, or asks for by `hasattr`, counts as guarded.
    """
    return tuple(_names_of_torch(script))


def _names_of_torch(script: Script) -> Iterator[Named]:
    asked = set(_asked_for(script))
    aliases = dict(_imported(script))
    for alias, name in aliases.items():
        for whole, node in _import_parts(alias, name):
            yield Named(whole, node, script, asked, alias)
    for use, top in _chains(script):
        base = _meaning(use, aliases)
        for node, parts in _links(top, use.node):
            if base is None:
                break
            whole = f"{base}.{parts}"
            yield Named(whole, node, script, asked)


def _asked_for(script: Script) -> Iterator[str]:
    """What the script sets itself, or asks for by name: `hasattr(torch, "symeig")`."""
    for node in set_attributes(script.module):
        yield dotted(node) or ""
    for call in every(script.module, cst.Call):
        if dotted(call.func) in ("hasattr", "getattr", "setattr"):
            owner = dotted(call.args[0].value) if call.args else None
            text = string_of(call.args[1].value) if len(call.args) > 1 else None
            if owner and text:
                yield f"{owner}.{text}"


def _imported(script: Script) -> Iterator[tuple[cst.ImportAlias, str]]:
    """Each part of an import of torch's, by the name of what it imports."""
    for statement in script.names.imports:
        prefix = ""
        if isinstance(statement, cst.ImportFrom):
            if statement.relative or statement.module is None:
                continue
            prefix = f"{dotted(statement.module)}."
        for alias in statement.names if not isinstance(statement.names, cst.ImportStar) else ():
            name = f"{prefix}{dotted(alias.name)}"
            if re.match(r"torch(\.|$)", name):
                yield alias, name


def _import_parts(alias: cst.ImportAlias, name: str) -> Iterator[tuple[str, cst.CSTNode]]:
    """`torch.utils` and `torch.utils.ffi` of `from torch.utils.ffi import x`, and `x` itself."""
    parts = name.split(".")
    for count in range(2, len(parts) + 1):
        yield ".".join(parts[:count]), alias.name


def _chains(script: Script) -> Iterator[tuple[Use, cst.Attribute]]:
    """Each use of a name that begins a chain of attributes, and the chain's last attribute."""
    tops: dict[cst.CSTNode, cst.Attribute] = {}
    for node in every(script.module, cst.Attribute):
        base: cst.CSTNode = node
        while isinstance(base, cst.Attribute):
            base = base.value
        if isinstance(base, cst.Name):
            tops.setdefault(base, node)  # the outermost comes first
    for use in script.names.uses:
        if use.node in tops and not use.guarded:
            yield use, tops[use.node]


def _meaning(use: Use, aliases: dict[cst.ImportAlias, str]) -> str | None:
    """The module of torch's that a name stands for, if nothing else can have bound it."""
    home = _home(use)
    if home is None:
        return None
    found = set()
    for node in home.bindings[use.name]:
        name = aliases.get(node) if isinstance(node, cst.ImportAlias) else None
        if name is None:
            return None
        assert isinstance(node, cst.ImportAlias)
        # `import torch.nn` binds `torch`.
        found.add("torch" if isinstance(node.name, cst.Attribute) and not node.asname else name)
    return found.pop() if len(found) == 1 else None


def _home(use: Use) -> Scope | None:
    scope: Scope | None = use.scope
    while scope is not None and use.name not in scope.bindings:
        scope = scope.parent
        while scope is not None and scope.kind == "class":
            scope = scope.parent
    return scope


def _links(top: cst.Attribute, base: cst.CSTNode) -> list[tuple[cst.Attribute, str]]:
    """Each attribute of a chain, first to last, with the dotted path up to it."""
    found: list[cst.Attribute] = []
    node: cst.CSTNode = top
    while isinstance(node, cst.Attribute) and node is not base:
        found.append(node)
        node = node.value
    found.reverse()
    return [
        (attribute, ".".join(one.attr.value for one in found[: index + 1]))
        for index, attribute in enumerate(found)
    ]


def imported_names(script: Script) -> dict[cst.CSTNode, str]:
    """The uses of plain names that stand for something of torch's, by its qualified name."""
    aliases = dict(_imported(script))
    meant = ((use.node, _meaning(use, aliases)) for use in script.names.uses if not use.guarded)
    return {node: name for node, name in meant if name is not None}


def renamed(script: Script, named: Named, instead: str) -> Fix | None:
    """Only the last part of a name changed, an import's name kept for those who use it."""
    module, _, last = instead.rpartition(".")
    if module != named.name.rpartition(".")[0]:
        return None
    if named.imported is None:
        edit = script.edit(named.node.attr, last) if isinstance(named.node, cst.Attribute) else None
    else:
        bound = "" if named.imported.asname is not None else f" as {named.name.rpartition('.')[2]}"
        edit = script.edit(named.node, f"{last}{bound}")
    return None if edit is None else Fix(f"Use `{instead}`", (edit,), safe=True)
