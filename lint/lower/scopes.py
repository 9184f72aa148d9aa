"""Scopes: what binds in them, what is used, and which uses nothing binds.

Flow does not matter here: a name counts as bound in a scope if anything in it ever binds it.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field

import libcst as cst

# What Python itself binds: in any module, in newer Pythons than the running one, on Windows, in
# class bodies and methods. `reveal_type` is for type checkers, which leave it in on purpose, and
# `profile` is bound by line profilers when they run the script.
BUILTINS = frozenset(dir(builtins)) | {
    "__file__", "__path__", "__cached__", "__annotations__", "__builtins__", "__class__",
    "__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__dict__",
    "__conditional_annotations__", "__warningregistry__", "WindowsError", "ExceptionGroup",
    "BaseExceptionGroup", "EncodingWarning", "PythonFinalizationError", "aiter", "anext",
    "exit", "quit", "copyright", "credits", "license", "help", "reveal_type", "reveal_locals",
    "profile",
}  # fmt: skip
# What IPython binds, Databricks' names included, and `_3`, `_i3` for each cell.
NOTEBOOK_NAMES = frozenset({
    "display", "get_ipython", "In", "Out", "_", "__", "___", "_dh", "_ih", "_oh", "_i", "_ii",
    "_iii", "__IPYTHON__", "dbutils", "spark", "sc", "sqlContext", "displayHTML",
    *(f"_{number}" for number in range(200)), *(f"_i{number}" for number in range(200)),
})  # fmt: skip


@dataclass(eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, and what it binds."""

    kind: str
    parent: Scope | None
    node: cst.CSTNode
    name: str = ""
    bindings: dict[str, list[cst.CSTNode]] = field(default_factory=dict)
    outer: dict[str, Scope] = field(default_factory=dict)  # declared global or nonlocal

    def bind(self, name: str, node: cst.CSTNode) -> None:
        """Note that `node` binds `name` here, or where `global`/`nonlocal` says."""
        self.outer.get(name, self).bindings.setdefault(name, []).append(node)


@dataclass(frozen=True, eq=False)
class Use:
    """One reading of a name."""

    name: str
    node: cst.Name
    scope: Scope
    attribute: str | None  # `relu` in `F.relu`
    guarded: bool  # the script itself reckons with the name missing, or never evaluates it


@dataclass
class Names:
    """All scopes and uses of one script."""

    module: Scope
    uses: list[Use] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    dynamic: bool = False  # star import, exec, globals(): names may come from anywhere
    imports: list[cst.Import | cst.ImportFrom] = field(default_factory=list)

    def binds(self, scope: Scope, name: str) -> bool:
        """Whether a use of `name` in `scope` finds a binding."""
        current: Scope | None = scope
        # A class's names are seen in its body only; a comprehension there is let pass, since its
        # first iterable does see them.
        while current is not None:
            visible = current.kind != "class" or current is scope or scope.kind == "comprehension"
            if visible and name in current.bindings:
                return True
            current = current.parent
        return False

    def unbound(self) -> dict[str, list[Use]]:
        """Uses that nothing binds, by name, in source order; empty where names are dynamic."""
        missing: dict[str, list[Use]] = {}
        if self.dynamic:
            return missing
        for use in self.uses:
            if use.guarded or use.name in BUILTINS or self.binds(use.scope, use.name):
                continue
            missing.setdefault(use.name, []).append(use)
        return missing

    def around(self, node: cst.CSTNode) -> list[cst.CSTNode]:
        """A function or class, and those around it, innermost first."""
        scope = next((scope for scope in self.scopes if scope.node is node), None)
        found = []
        while scope is not None:
            found.append(scope.node)
            scope = scope.parent
        return found

    def classes(self) -> list[Scope]:
        """The class scopes, in source order."""
        return [scope for scope in self.scopes if scope.kind == "class"]
