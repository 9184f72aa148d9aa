"""One release of torch: what its modules give out, imports between them followed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from torch_sources import Module, read_modules

_PRIVATE = re.compile(r"(^|\.)_(?!six$)")
_NO_API = re.compile(r"_|[A-Z][A-Z0-9_]*$|T_co$|\w+_(path|paths)$")


@dataclass
class Release:
    """One release: names that it has for sure and in public, and all that it may have."""

    version: str
    public: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    parameters: dict[str, set[str] | None] = field(default_factory=dict)
    deprecated: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)  # modules that may have more than is seen

    def has(self, name: str) -> bool:
        """Whether the release may have a name."""
        return name in self.present or name.rpartition(".")[0] in self.open


def read_release(folder: Path) -> Release:
    """Read an unpacked wheel."""
    text = (folder / "torch" / "version.py").read_text(encoding="utf-8")
    found = re.search(r"__version__\s*(?::[^=]*)?=\s*['\"](\d+\.\d+)", text)
    assert found, folder
    modules = {module.name: module for module in read_modules(folder)}
    release = Release(found[1])
    for module in modules.values():
        _add(release, module, modules)
    return release


def _add(release: Release, module: Module, modules: dict[str, Module]) -> None:
    bound, own = _star_names(module, modules, set())
    if module.name == "torch":
        bound, own = bound | _c_names(modules), own | _function_names(modules)
    below = {m.rpartition(".")[2] for m in modules if m.rpartition(".")[0] == module.name}
    bound |= below
    dead = {name for name in bound if _origin(module, name, modules, "dead")}
    release.present.add(module.name)
    release.present.update(f"{module.name}.{name}" for name in bound - dead)
    if not module.read or any(name in modules and not modules[name].read for name in module.stars):
        release.open.add(module.name)
    if _PRIVATE.search(module.name) or not module.read:
        return
    release.public.add(module.name)
    listed = module.exported
    public = own if listed is None else (own & listed) | {n for n in own if module.name == "torch"}
    names = {n for n in (public | below) - dead if not _NO_API.match(n) or n == "_six"}
    release.public.update(f"{module.name}.{name}" for name in names)
    marked = {name for name in module.deprecated if not name.startswith("_")}
    for name in names | marked:
        source = _origin(module, name, modules, "parameters")
        if source is not None:
            release.parameters[f"{module.name}.{name}"] = source[0].parameters[source[1]]
        source = _origin(module, name, modules, "deprecated")
        docs = modules.get("torch._torch_docs")
        if source is None and docs is not None and f"{module.name}.{name}" in docs.deprecated:
            source = docs, f"torch.{name}"
        if source is not None:
            release.deprecated[f"{module.name}.{name}"] = source[0].deprecated[source[1]]


def _origin(
    module: Module, name: str, modules: dict[str, Module], part: str
) -> tuple[Module, str] | None:
    """The module that says this of a name, and what the name is called there."""
    for _ in range(6):
        if name in getattr(module, part):
            return module, name
        source = module.imports.get(name)
        if source is None:
            source = next(((star, name) for star in module.stars
                           if star in modules and name in modules[star].bound), None)  # fmt: skip
        if source is None or source[0] not in modules:
            return None
        module, name = modules[source[0]], source[1]
    return None


def _star_names(
    module: Module, modules: dict[str, Module], seen: set[str]
) -> tuple[set[str], set[str]]:
    """All that a module binds, and its own part of it, star imports followed."""
    bound, own = set(module.bound), set(module.own)
    for name in module.stars:
        source = modules.get(name)
        if source is None or name in seen:
            continue
        more, more_own = _star_names(source, modules, seen | {name})
        listed = source.exported
        bound |= more if listed is None else more | listed
        own |= {n for n in more_own if not n.startswith("_")} if listed is None else listed
    return bound, own


def _function_names(modules: dict[str, Module]) -> set[str]:
    """The functions of torch that are written in C++: from their stubs and their docstrings."""
    names: set[str] = set()
    for name in ("torch._C._VariableFunctions", "torch._C"):
        stub = modules.get(name)
        names |= set(stub.parameters) if stub is not None and name != "torch._C" else set()
    docs = modules.get("torch._torch_docs")
    documented = docs.own if docs is not None else set()
    names |= {n.removeprefix("torch.") for n in documented if re.fullmatch(r"torch\.[a-z]\w*", n)}
    return names


def _c_names(modules: dict[str, Module]) -> set[str]:
    names = _function_names(modules)
    stub = modules.get("torch._C")
    return names | (set(stub.bound) if stub is not None else set())
