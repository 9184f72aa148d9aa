"""Which lines were changed since a revision of git: for `--since`.

git is asked, as a process of its own and without a shell; it is kept from running what a
repository's settings name (external diffs, text filters for diffs, monitors).
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trainlint.finding import Location
from trainlint.lint.source import Source

_HUNK = re.compile(rb"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_QUOTED = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPES = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
}
# What a hook of git sets would send the calls to another repository or index.
_INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_EXTERNAL_DIFF")


class SinceError(Exception):
    """There is no git, no repository or no such revision; its text is the whole message."""


@dataclass(frozen=True)
class _Repository:
    """The working tree of a repository against one of its commits."""

    top: str
    commit: str
    changed: Mapping[str, set[int]]
    renamed: Mapping[str, str]
    tracked: frozenset[str]


@dataclass
class Changes:
    """The lines that differ from a revision, in whichever repositories the files stand."""

    revision: str
    _tops: dict[str, str] = field(default_factory=dict)
    _repositories: dict[str, _Repository] = field(default_factory=dict)
    _cells: dict[str, set[tuple[int, int]]] = field(default_factory=dict)

    def touch(self, at: Location, source: Source | None) -> bool:
        """Whether one of a place's lines was changed; all of a file that git does not track were.

        Raises SinceError.
        """
        folder, file = os.path.split(os.path.abspath(at.path))
        repository = self._repository(folder)
        real = os.path.join(os.path.realpath(folder), file)
        name = os.path.relpath(real, repository.top).replace(os.sep, "/")
        if name not in repository.tracked:
            return True
        lines = range(at.line, max(at.line, at.end_line) + 1)
        if at.cell and source is not None:
            if name not in repository.changed:
                return False
            if at.path not in self._cells:
                self._cells[at.path] = set(_changed_cells(repository, name, source))
            return any((at.cell, line) in self._cells[at.path] for line in lines)
        return any(line in repository.changed.get(name, ()) for line in lines)

    def require(self, path: str) -> None:
        """Raise SinceError where a file's or folder's repository has no such revision."""
        path = os.path.abspath(path)
        self._repository(path if os.path.isdir(path) else os.path.dirname(path))

    def _repository(self, folder: str) -> _Repository:
        if folder not in self._tops:
            self._tops[folder] = _top_of(folder)
        top = self._tops[folder]
        if top not in self._repositories:
            self._repositories[top] = _compare(top, self.revision)
        return self._repositories[top]


def _top_of(folder: str) -> str:
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise SinceError(
            f"error: --since: {folder} is in no git repository\n  help: {_last_line(done.stderr)}"
        )
    return os.path.realpath(os.fsdecode(done.stdout.removesuffix(b"\n")))


def _compare(top: str, revision: str) -> _Repository:
    done = _git(
        top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    commit = done.stdout.decode("ascii", "replace").strip()
    if done.returncode or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise SinceError(
            f"error: --since: git knows no revision {revision!r} in {top}\n"
            "  help: a shallow clone has only the newest; `git fetch --unshallow` brings the others"
        )
    patch = _output(
        top, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--unified=0",
        "--find-renames", "--ignore-submodules=all", "--src-prefix=a/", "--dst-prefix=b/",
        commit, "--",
    )  # fmt: skip
    changed, renamed = _read_patch(patch)
    names = _output(top, "ls-files", "-z", "--").split(b"\0")
    tracked = frozenset(os.fsdecode(name) for name in names if name)
    return _Repository(top, commit, changed, renamed, tracked)


def _output(folder: str, *arguments: str) -> bytes:
    done = _git(folder, *arguments)
    if done.returncode:
        raise SinceError(f"error: --since: git {arguments[0]}: {_last_line(done.stderr)}")
    return done.stdout


def _git(folder: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    env = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    env.update(GIT_OPTIONAL_LOCKS="0", LC_ALL="C", GIT_PAGER="cat")
    settings = ("core.fsmonitor=false", "core.hooksPath=", "core.quotePath=false")
    flags = [part for setting in settings for part in ("-c", setting)]
    try:
        return subprocess.run(
            ["git", "--no-pager", *flags, *arguments],
            cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        if error.filename == folder:
            raise SinceError(f"error: --since: {folder}: no such folder") from None
        raise SinceError(
            "error: --since needs git, and there is none\n  help: install it, or leave --since out"
        ) from None
    except OSError as error:
        raise SinceError(f"error: --since: git: {(error.strerror or '').lower()}") from None


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "git gave no reason"


def _read_patch(patch: bytes) -> tuple[dict[str, set[int]], dict[str, str]]:
    """The new lines by file, and the former name of each file that has another one now."""
    changed: dict[str, set[int]] = {}
    renamed: dict[str, str] = {}
    old, name, lines = "", "", iter(patch.split(b"\n"))
    for line in lines:
        hunk = _HUNK.match(line)
        if hunk is not None:
            start, new = int(hunk[2]), int(hunk[3] or 1)
            changed[name].update(range(start, start + new))
            _skip(lines, int(hunk[1] or 1) + new)
        elif line.startswith(b"--- "):
            old = _name(line[4:])
        elif line.startswith(b"+++ "):
            name = _name(line[4:])
            changed.setdefault(name, set())
            if old != name:
                renamed[name] = old
    return changed, renamed


def _skip(lines: Iterator[bytes], count: int) -> None:
    """Pass a hunk's lines by: what they hold can look like a header."""
    while count > 0:
        count -= not next(lines).startswith(b"\\")


def _name(written: bytes) -> str:
    """A name in a patch's header, without its `a/` or `b/`; git quotes what is out of the way."""
    written = written.removesuffix(b"\t")
    if written.startswith(b'"'):
        written = _QUOTED.sub(_unquoted, written[1:-1])
    return os.fsdecode(written[2:])


def _unquoted(found: re.Match[bytes]) -> bytes:
    char = found[1]
    if len(char) == 3:
        return bytes([int(char, 8)])
    return _ESCAPES.get(char, char)


def _changed_cells(repository: _Repository, name: str, source: Source) -> Iterator[tuple[int, int]]:
    """Cell and line of what is new in a notebook's code, wherever its JSON puts it."""
    old = _old_lines(repository, name, source.path)
    places = [
        (cell, number)
        for cell, text in source.cells.items()
        for number, _ in enumerate(text.splitlines(), 1)
    ]
    new = [line for text in source.cells.values() for line in text.splitlines()]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, _, _, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield from places[first:last]


def _old_lines(repository: _Repository, name: str, path: str) -> list[str]:
    from trainlint.lint.notebooks import read_notebook
    from trainlint.lint.problem import Unreadable

    former = repository.renamed.get(name, name)
    done = _git(repository.top, "cat-file", "blob", f"{repository.commit}:{former}")
    if done.returncode:
        return []
    try:
        cells = read_notebook(path, done.stdout).cells
    except Unreadable:
        return []
    return [line for text in cells.values() for line in text.splitlines()]
