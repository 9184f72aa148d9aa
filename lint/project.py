"""The other files of the project that a script imports from, found as Python would find them.

Files are read and parsed, never imported. One `Project` serves all files of a check, so that each
file that several scripts import is parsed once.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator

import libcst as cst

from trainlint.lint.files import NOTHING_UNWRITTEN, Unwritten, make_source, read_data
from trainlint.lint.imports import find_module, imported
from trainlint.lint.model import Script
from trainlint.lint.parse import parse
from trainlint.lint.problem import Unreadable
from trainlint.lint.source import Source
from trainlint.lint.witness import Witness

# Parsed files that are kept, and their code in characters, of which each comes to some 60 bytes of
# tree: the memory that they take must not grow with the project.
_KEPT = 48
_KEPT_CODE = 500_000
# Bytes; a longer file holds data or generated code.
_LONGEST = 400_000
# Files that are searched for what a rule needs.
_REACHED = 60


class Project:
    """Finds and reads the modules that scripts import; `witness` notes which."""

    def __init__(self, unwritten: Unwritten = NOTHING_UNWRITTEN) -> None:
        self.witness = Witness()
        self._unwritten = unwritten
        self._scripts: OrderedDict[str, Script | None] = OrderedDict()
        self._code = 0  # characters of all scripts that are kept
        self._found: dict[tuple[str, str], str | None] = {}
        self._imports: dict[str, tuple[str, ...]] = {}
        self._data: dict[str, bytes] = {}

    def find(self, name: str, importer: str) -> str | None:
        """The file of a module that a file imports by an absolute or relative name, or None.

        Absolute names are looked for beside the importer, and from the folder in which its
        outermost package stands. What belongs to an installed library is left to it.
        """
        key = (name, os.path.dirname(importer))
        if key not in self._found:
            self._found[key] = find_module(name, key[1])
        self.witness.looked_up(importer, name, self._found[key])
        return self._found[key]

    def script(self, path: str) -> Script | None:
        """A file, parsed; None where it cannot be."""
        if path in self._scripts:
            self._scripts.move_to_end(path)
            return self._scripts[path]
        return self._keep(path, self._read(path))

    def parsed(self, source: Source) -> cst.Module:
        """The tree of a source, parsed once also where others import it; raises Unreadable."""
        path = os.path.normpath(source.path)
        kept = self._scripts.get(path)
        if kept is not None and kept.source.data == source.data:
            return kept.module
        script = Script(source, parse(source), self)
        if source.kind == "python" and len(source.code) <= _LONGEST:
            self.witness.read(path, source.data)
            self._keep(path, script)
            self._scripts.move_to_end(path, last=False)  # nothing has imported it yet
        return script.module

    def forget(self) -> None:
        """Read all files anew, as after one that was left off in the midst."""
        for kept in (self._scripts, self._found, self._imports, self._data):
            kept.clear()
        self._code = 0

    def _keep(self, path: str, script: Script | None) -> Script | None:
        self._code += _length(script) - _length(self._scripts.pop(path, None))
        while len(self._scripts) >= _KEPT or (self._scripts and self._code > _KEPT_CODE):
            self._code -= _length(self._scripts.popitem(last=False)[1])
        self._scripts[path] = script
        return script

    def reached(self, path: str, data: bytes, depth: int = _REACHED) -> Iterator[bytes]:
        """The bytes of a file and of those that it imports, through at most so many others.

        The nearest come first: there may be too many to ask all.
        """
        yield data
        seen, level = {path}, self._imports_of(path, data)
        for _ in range(depth):
            further: list[str] = []
            for one in level:
                if one in seen:
                    continue
                if len(seen) > _REACHED:
                    return
                seen.add(one)
                found = self._bytes(one)
                yield found
                further += self._imports_of(one, found)
            level = tuple(further)

    def _imports_of(self, path: str, data: bytes) -> tuple[str, ...]:
        if path not in self._imports:
            found = (self.find(name, path) for name in imported(data))
            self._imports[path] = tuple(dict.fromkeys(one for one in found if one is not None))
        return self._imports[path]

    def _bytes(self, path: str) -> bytes:
        if path not in self._data:
            try:
                data = read_data(path, self._unwritten)
            except Unreadable:
                data = b""
            self.witness.read(path, data)
            self._data[path] = data[:_LONGEST]
        return self._data[path]

    def _read(self, path: str) -> Script | None:
        try:
            data = read_data(path, self._unwritten)
            self.witness.read(path, data)
            if len(data) > _LONGEST:
                return None
            source = make_source(path, data)
            return Script(source, parse(source), self)
        except Unreadable:
            return None


def _length(script: Script | None) -> int:
    return 0 if script is None else len(script.source.code)
