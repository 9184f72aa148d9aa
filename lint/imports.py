"""Import statements, and the files of the project that they mean, as Python would find them.

Nothing is parsed here, so that this can be asked where no tree is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from trainlint.lint.lower.known import is_library

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\r\n#]*)"
    rb"|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)


def imported(data: bytes) -> Iterator[str]:
    """The modules that a file's import statements may mean."""
    for package, names, plain in _IMPORT.findall(data):
        if plain:
            yield from (part.split(b" as ")[0].strip().decode() for part in plain.split(b","))
            continue
        yield package.decode()
        for part in names.strip(b"()").split(b","):
            name = part.split(b" as ")[0].strip().decode(errors="replace")
            if name.isidentifier():
                dot = "" if package.endswith(b".") else "."
                yield f"{package.decode()}{dot}{name}"


def find_module(name: str, folder: str) -> str | None:
    """The file of a module that a file of a folder imports, or None.

    Relative names count from the folder; absolute ones are looked for in it, and from the folder
    in which its outermost package stands. What belongs to an installed library is left to it.
    """
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
