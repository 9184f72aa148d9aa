"""The other files of the project that a script imports from, found as Python would find them.

Files are read and parsed, never imported. One `Project` serves all files of a check, so that each
file that several scripts import is parsed once.
"""

from __future__ import annotations

import os
from collections import OrderedDict

from trainlint.lint.files import read_source
from trainlint.lint.lower.known import is_library
from trainlint.lint.model import Script
from trainlint.lint.parse import parse
from trainlint.lint.problem import Unreadable

# Parsed files that are kept: the memory that they take must not grow with the project.
_KEPT = 48
# Characters; a longer file holds data or generated code.
_LONGEST = 400_000


class Project:
    """Finds and reads the modules that scripts import."""

    def __init__(self) -> None:
        self._scripts: OrderedDict[str, Script | None] = OrderedDict()
        self._found: dict[tuple[str, str], str | None] = {}

    def find(self, name: str, importer: str) -> str | None:
        """The file of a module that a file imports by an absolute or relative name, or None.

        Absolute names are looked for beside the importer, and from the folder in which its
        outermost package stands. What belongs to an installed library is left to it.
        """
        key = (name, os.path.dirname(importer))
        if key not in self._found:
            self._found[key] = _find(name, key[1])
        return self._found[key]

    def script(self, path: str) -> Script | None:
        """A file, parsed; None where it cannot be."""
        if path in self._scripts:
            self._scripts.move_to_end(path)
            return self._scripts[path]
        script = self._scripts[path] = self._read(path)
        if len(self._scripts) > _KEPT:
            self._scripts.popitem(last=False)
        return script

    def _read(self, path: str) -> Script | None:
        try:
            source = read_source(path)
            if len(source.code) > _LONGEST:
                return None
            return Script(source, parse(source), self)
        except Unreadable:
            return None


def _find(name: str, folder: str) -> str | None:
    level = len(name) - len(name.lstrip("."))
    rest = name[level:]
    if level:
        for _ in range(level - 1):
            folder = os.path.join(folder, os.pardir)
        return _file_of(os.path.normpath(folder), rest)
    if is_library(rest):
        return None
    for root in dict.fromkeys((folder, _outside_packages(folder))):
        path = _file_of(root, rest)
        if path is not None:
            return path
    return None


def _file_of(root: str, name: str) -> str | None:
    """`a/b.py` or `a/b/__init__.py` of `a.b`, spelled from the root as the root is."""
    base = os.path.normpath(os.path.join(root, *filter(None, name.split("."))))
    for path in (f"{base}.py", os.path.join(base, "__init__.py")):
        if os.path.isfile(path):
            return path
    return None


def _outside_packages(folder: str) -> str:
    """The nearest folder upward that is no package itself."""
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        above = os.path.normpath(os.path.join(folder, os.pardir))
        if os.path.realpath(above) == os.path.realpath(folder):
            break
        folder = above
    return folder
