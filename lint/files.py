"""Which files are checked, and reading one into its `Source`."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainlint.lint.patterns import Patterns
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.source import Source
from trainlint.selection import Scopes

STDIN = "-"
_STDIN_SHOWN = "<stdin>"

# What files hold that are not written yet: bytes by real path, those of standard input by `-`.
Unwritten = Mapping[str, bytes]
NOTHING_UNWRITTEN: Unwritten = {}

# What a folder is searched for. Plain text is read only where it is named.
_SEARCHED = frozenset({".py", ".ipynb", ".md", ".markdown", ".rst"})
_PYTHON = frozenset({".py", ".pyw"})
_READ = _SEARCHED | {".txt", ".pyw"}
_SKIPPED = frozenset(
    """
    .git .hg .svn .bzr .tox .nox .eggs .venv venv node_modules __pycache__ __pypackages__
    .mypy_cache .pytest_cache .ruff_cache .ipynb_checkpoints site-packages dist-packages build dist
    """.split()
)


# -- discovery ---------------------------------------------------------------------------------


def discover(
    paths: Sequence[str], exclude: Sequence[str] = (), scopes: Scopes | None = None
) -> Iterator[str | Problem]:
    """The files to read, each once, in a stable order; what is named is taken.

    Folders are searched for Python files, notebooks, Markdown and reST, but for what git ignores
    and what the patterns of `exclude` (as in .gitignore, from the working folder) or the
    configuration match. Where `scopes` forces it, these leave out what is named, too. Raises
    ValueError for what is no pattern.
    """
    search = _Search(Patterns(exclude), scopes)
    for path in paths:
        if not path:
            yield Problem("''", "an empty path")
        elif path == STDIN:
            yield path
        elif scopes is not None and scopes.forces(path) and search.is_excluded(path):
            continue
        elif os.path.isdir(path):
            yield from search.folder(path)
        elif search.is_new(path):
            yield os.path.normpath(path)


@dataclass(frozen=True)
class _Ignore:
    """The patterns of one .gitignore, and the folder that they count from."""

    folder: str
    patterns: Patterns

    def says(self, path: str, is_folder: bool) -> bool | None:
        """Whether a path is ignored; None where no pattern speaks of it."""
        name = os.path.relpath(path, self.folder).replace(os.sep, "/")
        return self.patterns.says(name, is_folder)


class _Search:
    def __init__(self, exclude: Patterns, scopes: Scopes | None) -> None:
        self._seen: set[str] = set()
        self._scopes = scopes
        self._exclude = _Ignore(os.getcwd(), exclude)

    def is_new(self, path: str) -> bool:
        """Whether a path's file or folder is met for the first time, whatever it is called."""
        real = os.path.realpath(path)
        new = real not in self._seen
        self._seen.add(real)
        return new

    def folder(self, path: str) -> Iterator[str | Problem]:
        """All files below a folder; a problem where there is none."""
        found = False
        # What is named is searched, even below an ignored folder, as if it were no part of it.
        outer = _outer_ignores(path)
        ignored = self._is_left_out(os.path.abspath(path), outer, True)
        for item in self._walk(os.path.normpath(path), () if ignored else outer):
            found = True
            yield item
        if not found:
            yield Problem(path, "no Python, notebook, Markdown or reST file here")

    def _walk(self, folder: str, ignores: tuple[_Ignore, ...]) -> Iterator[str | Problem]:
        if not self.is_new(folder):
            return
        ignores = (*ignores, *_ignores_in(folder))
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Problem.of(folder, _of_os(error))
            return
        for entry in entries:
            path = os.path.normpath(os.path.join(folder, entry.name))
            if _is_dir(entry):
                if not self._is_left_out(path, ignores, True) and not _is_skipped(entry):
                    yield from self._walk(path, ignores)
            elif Path(entry.name).suffix.lower() not in _SEARCHED:
                continue
            elif not self._is_left_out(path, ignores, False) and self.is_new(path):
                yield path

    def is_excluded(self, path: str) -> bool:
        """Whether the patterns of the user speak against a path, or against a folder above it."""
        path, is_folder = os.path.normpath(path), os.path.isdir(path)
        while path not in ("", os.curdir, os.pardir, os.path.dirname(path)):
            if self._excludes(path, is_folder):
                return True
            path, is_folder = os.path.dirname(path), True
        return False

    def _excludes(self, path: str, is_folder: bool) -> bool | None:
        """What the command line says of a path, and else what its configuration does."""
        said = self._exclude.says(path, is_folder)
        if said is None and self._scopes is not None:
            return self._scopes.leaves_out(path, is_folder)
        return said

    def _is_left_out(self, path: str, ignores: tuple[_Ignore, ...], is_folder: bool) -> bool:
        said = self._excludes(path, is_folder)
        if said is not None:
            return said
        # The pattern that stands nearest decides, as in git.
        for ignore in reversed(ignores):
            said = ignore.says(path, is_folder)
            if said is not None:
                return said
        return False


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads back to itself


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    return _is_skipped_folder(entry.path)


def _is_skipped_folder(path: str) -> bool:
    name = os.path.basename(path)
    if name in _SKIPPED or name.endswith(".egg-info"):
        return True
    return os.path.exists(os.path.join(path, "pyvenv.cfg"))


def is_passed_over(path: str, top: str) -> bool:
    """Whether no search of the folder `top` would come to a file, as it is no part of a project."""
    folder = os.path.dirname(os.path.abspath(path))
    while folder != os.path.abspath(top) and folder != os.path.dirname(folder):
        if _is_skipped_folder(folder):
            return True
        folder = os.path.dirname(folder)
    return False


def _outer_ignores(folder: str) -> tuple[_Ignore, ...]:
    """The patterns of the repository's folders above this one, outermost first."""
    above = []
    current = os.path.abspath(folder)
    while not os.path.exists(os.path.join(current, ".git")):
        parent = os.path.dirname(current)
        if parent == current:
            return ()  # no repository: what lies above is not ours to obey
        current = parent
        above.append(current)
    own = _read_ignore(os.path.join(current, ".git", "info", "exclude"), current)
    return (*own, *(ignore for parent in reversed(above) for ignore in _ignores_in(parent)))


def _ignores_in(folder: str) -> tuple[_Ignore, ...]:
    return _read_ignore(os.path.join(folder, ".gitignore"), folder)


def _read_ignore(path: str, folder: str) -> tuple[_Ignore, ...]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            patterns = Patterns((line.rstrip("\n") for line in file), lenient=True)
    except OSError:
        return ()
    return (_Ignore(os.path.abspath(folder), patterns),)


# -- reading -----------------------------------------------------------------------------------


def read_data(path: str, unwritten: Unwritten = NOTHING_UNWRITTEN) -> bytes:
    """The bytes of a file, of standard input (`-`), or of what is to be written; raises Unreadable.

    What is to be written to a file is found by whatever path the file is reached.
    """
    if unwritten:
        data = unwritten.get(path if path == STDIN else os.path.realpath(path))
        if data is not None:
            return data
    return sys.stdin.buffer.read() if path == STDIN else read_bytes(path)


def read_source(path: str) -> Source:
    """A file, read whole; raises Unreadable."""
    return make_source(path, read_bytes(path))


def shown_path(path: str, stdin_filename: str | None = None) -> str:
    """What a path is called in what is told of it."""
    if path != STDIN:
        return path
    return _STDIN_SHOWN if stdin_filename is None else os.path.normpath(stdin_filename)


def make_source(path: str, data: bytes) -> Source:
    """The source that a file's bytes are, by the kind that its name tells; raises Unreadable.

    Standard input that no name was given for is Python.
    """
    if path == _STDIN_SHOWN:
        return Source.of_bytes(path, data)
    return _maker(path, data)(path, data)


def is_python(path: str) -> bool:
    """Whether a file is Python, by its name."""
    return Path(path).suffix.lower() in _PYTHON


def is_document(path: str) -> bool:
    """Whether a file is a notebook, Markdown, reST or plain text, by its name."""
    suffix = Path(path).suffix.lower()
    return suffix == ".ipynb" or suffix in _READ - _PYTHON


def _maker(path: str, data: bytes) -> Callable[[str, bytes], Source]:
    if is_python(path):
        return Source.of_bytes
    if Path(path).suffix.lower() == ".ipynb":
        from trainlint.lint.notebooks import read_notebook

        return read_notebook
    if is_document(path):
        from trainlint.lint.documents import read_document

        return read_document
    if data.startswith(b"#!") and b"python" in data.split(b"\n", 1)[0]:
        return Source.of_bytes
    raise Unreadable(
        "not a kind of file that trainlint reads",
        "it reads Python files, notebooks, Markdown, reST and plain text",
    )


def read_bytes(path: str) -> bytes:
    """The bytes of a regular file; raises Unreadable."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("not a regular file")
            return file.read()
    except OSError as error:
        raise _of_os(error) from None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for someone to write into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _of_os(error: OSError) -> Unreadable:
    messages = {
        errno.ENOENT: "no such file",
        errno.EACCES: "permission denied",
        errno.ELOOP: "a link that leads back to itself",
    }
    return Unreadable(messages.get(error.errno or 0) or (error.strerror or str(error)).lower())
