"""The other files of a project, as text: what may derive from a class, or set an attribute.

It is asked only where a finding hangs on it, so nothing is kept; that it was asked is noted, since
the answer changes with these files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainlint.lint.witness import digest_of

if TYPE_CHECKING:
    from trainlint.lint.model import Script

# What stands at the top of a project, and what stands in folders of it as well.
_TOPS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_PERHAPS_TOPS = ("requirements.txt", "README.md", "README.rst", "README")
_MOST_FILES = 600
_MOST_LEVELS = 6
_SKIPPED = ("node_modules", "site-packages", "build", "dist")


def may_be_set_elsewhere(script: Script, classes: set[str], attribute: str) -> bool:
    """Whether another file derives from one of the classes, or sets the attribute of something.

    What a class of another file sets of its own `self` is its own, unless it derives from these.
    Also true where there are too many files to tell.
    """
    if not os.path.isfile(script.source.path):
        return False
    name = re.escape(attribute)
    pattern = re.compile(
        rf"{_derives_from(classes)}|(?<!\bself)\.{name}\s*(?:=[^=]|:\s)"
        rf"|(?:setattr|add_module|register_\w{{1,40}})\([^)\n]{{0,400}}[\"']{name}[\"']",
        re.MULTILINE,
    )
    return _matches_elsewhere(script, pattern)


def is_mentioned_elsewhere(script: Script, classes: set[str], attribute: str) -> bool:
    """Whether another file derives from one of the classes, or names the attribute of something.

    What a class of another file reads of its own `self` is its own, unless it derives from these.
    Also true where there are too many files to tell.
    """
    if not os.path.isfile(script.source.path):
        return False
    name = re.escape(attribute)
    pattern = re.compile(
        rf"{_derives_from(classes)}|(?<!\bself)\.{name}\b|[\"']{name}[\"']", re.MULTILINE
    )
    return _matches_elsewhere(script, pattern)


def _derives_from(classes: set[str]) -> str:
    """The pattern of a class whose bases name one of these."""
    owners = "|".join(map(re.escape, sorted(classes)))
    return rf"^[ \t]*class[ \t]+\w+[ \t]*\([^)]{{0,2000}}\b(?:{owners})\b"


def _matches_elsewhere(script: Script, pattern: re.Pattern[str]) -> bool:
    own = os.path.abspath(script.source.path)
    root = _root_of(script)
    _note(script, _PYTHON, root)
    for count, other in enumerate(_python_files(root)):
        if count >= _MOST_FILES:
            return True
        if other != own and pattern.search(_text_of(other)):
            return True
    return False


def _root_of(script: Script) -> str:
    """The top of a script's project, as far as that can be seen."""
    folder = os.path.dirname(os.path.abspath(script.source.path))
    _note(script, _ROOT, folder)
    return _find_root(folder)


def _find_root(folder: str) -> str:
    """The nearest folder upward that looks like a project's own; else the folder."""
    folders = [folder]
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
_NAMES_OF_LISTS = (
    "requirements.txt",
    "environment.yml",
    "setup.py",
    "README.md",
    "README.rst",
    "README",
)


def asks_for_old_torch(script: Script) -> bool:
    """Whether a script, or its project, is for a PyTorch before 1.1."""
    if _OLD_CODE.search(script.source.code):
        return True
    path = script.source.path
    if not os.path.isfile(path):
        return False
    places = {os.path.dirname(os.path.abspath(path)), _root_of(script)}
    for one in places:
        _note(script, _LISTS, one)
    return any(_OLD.search(text) for one in places for text in _texts_of_lists(one))


def _texts_of_lists(folder: str) -> Iterator[str]:
    return (_text_of(os.path.join(folder, name)) for name in _NAMES_OF_LISTS)


def is_imported(script: Script) -> bool:
    """Whether another file of the project imports this one, or might: too many files to tell."""
    if not os.path.isfile(script.source.path):
        return False
    own = os.path.abspath(script.source.path)
    stem = re.escape(os.path.splitext(os.path.basename(own))[0])
    if stem == "__init__":
        return True
    pattern = re.compile(
        rf"^[ \t]*(?:from\s+[\w.]*\b{stem}\s+import\b|import\s+[\w., ]*\b{stem}\b"
        rf"|from\s+[\w.]+\s+import\s+[^#\n]*\b{stem}\b)",
        re.MULTILINE,
    )
    return _matches_elsewhere(script, pattern)


# -- what the answers rest on ----------------------------------------------------------------------

# Questions about a folder: where its project's top is; what the Python files below it hold; what
# the lists of requirements in it hold.
_ROOT, _PYTHON, _LISTS = "root", "python", "lists"


def _note(script: Script, kind: str, folder: str) -> None:
    if script.project is not None:
        question = f"{kind} {_spelled(folder)}"
        script.project.witness.looked_around(script.source.path, question, stamp_of)


def stamp_of(question: str) -> str:
    """What a question that was noted comes to now: the same, if and only if nothing changed."""
    kind, _, folder = question.partition(" ")
    folder = os.path.abspath(folder)
    if kind == _ROOT:
        return _spelled(_find_root(folder))
    if kind == _LISTS:
        return digest_of("\0".join(_texts_of_lists(folder)).encode())
    held = []
    for count, path in enumerate(_python_files(folder)):
        if count >= _MOST_FILES:
            break
        held.append(f"{os.path.relpath(path, folder)}\0{_text_of(path)}")
    return digest_of("\0".join(held).encode(errors="surrogatepass"))


def _spelled(folder: str) -> str:
    """From the working folder, so that a project can be moved."""
    try:
        return os.path.relpath(folder)
    except ValueError:  # on another drive
        return folder
