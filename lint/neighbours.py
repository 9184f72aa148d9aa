"""The other files of a project, as text: what may derive from a class, or set an attribute.

It is asked only where a finding hangs on it, so nothing is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

# What stands at the top of a project, and what stands in folders of it as well.
_TOPS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_PERHAPS_TOPS = ("requirements.txt", "README.md", "README.rst", "README")
_MOST_FILES = 600
_MOST_LEVELS = 6
_SKIPPED = ("node_modules", "site-packages", "build", "dist")


def may_be_set_elsewhere(path: str, classes: set[str], attribute: str) -> bool:
    """Whether another file derives from one of the classes, or sets the attribute of something.

    What a class of another file sets of its own `self` is its own, unless it derives from these.
    Also true where there are too many files to tell.
    """
    if not os.path.isfile(path):
        return False
    name = re.escape(attribute)
    pattern = re.compile(
        rf"{_derives_from(classes)}|(?<!\bself)\.{name}\s*(?:=[^=]|:\s)"
        rf"|(?:setattr|add_module|register_\w{{1,40}})\([^)\n]{{0,400}}[\"']{name}[\"']",
        re.MULTILINE,
    )
    return _matches_elsewhere(path, pattern)


def is_mentioned_elsewhere(path: str, classes: set[str], attribute: str) -> bool:
    """Whether another file derives from one of the classes, or names the attribute of something.

    What a class of another file reads of its own `self` is its own, unless it derives from these.
    Also true where there are too many files to tell.
    """
    if not os.path.isfile(path):
        return False
    name = re.escape(attribute)
    pattern = re.compile(
        rf"{_derives_from(classes)}|(?<!\bself)\.{name}\b|[\"']{name}[\"']", re.MULTILINE
    )
    return _matches_elsewhere(path, pattern)


def _derives_from(classes: set[str]) -> str:
    """The pattern of a class whose bases name one of these."""
    owners = "|".join(map(re.escape, sorted(classes)))
    return rf"^[ \t]*class[ \t]+\w+[ \t]*\([^)]{{0,2000}}\b(?:{owners})\b"


def _matches_elsewhere(path: str, pattern: re.Pattern[str]) -> bool:
    own = os.path.abspath(path)
    for count, other in enumerate(_python_files(_root_of(own))):
        if count >= _MOST_FILES:
            return True
        if other != own and pattern.search(_text_of(other)):
            return True
    return False


def _root_of(path: str) -> str:
    """The nearest folder above a file that looks like a project's own; else the file's folder."""
    folders = [os.path.dirname(path)]
    while len(folders) < _MOST_LEVELS:
        folders.append(os.path.dirname(folders[-1]))
    for marks in (_TOPS, _PERHAPS_TOPS):
        for folder in folders:
            if any(os.path.exists(os.path.join(folder, mark)) for mark in marks):
                return folder
    return folders[0]


def _python_files(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(one for one in folders if one[0] != "." and one not in _SKIPPED)
        yield from (os.path.join(folder, one) for one in sorted(files) if one.endswith(".py"))


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


_OLD = re.compile(
    r"\b(?:py)?torch(?:==?|<=?|~=) ?(?:0\.\d|1\.0)|\bPyTorch v?(?:0\.\d|1\.0\b)", re.I
)
_OLD_CODE = re.compile(r"\bvolatile ?= ?True|\.data\[0\]")
_LISTS = ("requirements.txt", "environment.yml", "setup.py", "README.md", "README.rst", "README")


def asks_for_old_torch(path: str, code: str) -> bool:
    """Whether a script, or its project, is for a PyTorch before 1.1."""
    if _OLD_CODE.search(code):
        return True
    if not os.path.isfile(path):
        return False
    folder = os.path.dirname(os.path.abspath(path))
    places = {folder, _root_of(os.path.abspath(path))}
    return any(_OLD.search(_text_of(os.path.join(one, name))) for one in places for name in _LISTS)


def is_imported(path: str) -> bool:
    """Whether another file of the project imports this one, or might: too many files to tell."""
    if not os.path.isfile(path):
        return False
    own = os.path.abspath(path)
    stem = re.escape(os.path.splitext(os.path.basename(own))[0])
    if stem == "__init__":
        return True
    pattern = re.compile(
        rf"^[ \t]*(?:from\s+[\w.]*\b{stem}\s+import\b|import\s+[\w., ]*\b{stem}\b"
        rf"|from\s+[\w.]+\s+import\s+[^#\n]*\b{stem}\b)",
        re.MULTILINE,
    )
    return _matches_elsewhere(path, pattern)
