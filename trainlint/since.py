"""Which lines were changed since a revision of git: for `--since`.

git is asked, as a process of its own and without a shell, for what it holds, and never to look at
the files: it would run what a repository's settings name (external diffs, filters, monitors). What
was checked is compared here, so that it may also be an editor's text, or mended and not written.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from trainlint.finding import Location
from trainlint.lint.source import Source, split_lines

# A line of a file, and the notebook cell that it stands in.
Line = tuple[int, int]

# What a hook of git sets would send the calls to another repository or index.
_INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_EXTERNAL_DIFF")


class SinceError(Exception):
    """There is no git, no repository or no such revision; its text is the whole message."""


@dataclass(frozen=True)
class _Repository:
    """A repository's index, and one of its commits: the ids of its files by name."""

    top: str
    blobs: Mapping[str, str]
    renamed: Mapping[str, str]
    tracked: frozenset[str]


@dataclass
class Changes:
    """The lines that differ from a revision, in whichever repositories the files stand."""

    revision: str
    _tops: dict[str, str] = field(default_factory=dict)
    _repositories: dict[str, _Repository] = field(default_factory=dict)
    _changed: dict[str, tuple[Source, set[Line] | None]] = field(default_factory=dict)

    def touch(self, at: Location, source: Source | None) -> bool:
        """Whether one of a place's lines was changed; all of a file that git does not track were.

        Raises SinceError.
        """
        changed = self._lines(source) if source is not None else None
        lines = range(at.line, max(at.line, at.end_line) + 1)
        return changed is None or any((at.cell, line) in changed for line in lines)

    def require(self, path: str) -> None:
        """Raise SinceError where a file's or folder's repository has no such revision."""
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        self._repository(os.path.realpath(folder))

    def _lines(self, source: Source) -> set[Line] | None:
        """The changed lines of a text; None for all."""
        known = self._changed.get(source.path)
        if known is None or known[0] is not source:
            known = self._changed[source.path] = (source, self._compared(source))
        return known[1]

    def _compared(self, source: Source) -> set[Line] | None:
        file = os.path.realpath(source.path)
        try:
            repository = self._repository(os.path.dirname(file))
        except SinceError:
            if os.path.islink(source.path):
                return None  # out of the repository
            raise
        name = os.path.relpath(file, repository.top).replace(os.sep, "/")
        blob = repository.blobs.get(repository.renamed.get(name, name))
        if name not in repository.tracked or blob is None:
            return None
        if _id_of(source.data, len(blob)) == blob:
            return set()
        done = _git(repository.top, "cat-file", "blob", blob)
        return None if done.returncode else set(_changed_lines(source, done.stdout))

    def _repository(self, folder: str) -> _Repository:
        at = _nearest(folder)
        if at not in self._tops:
            self._tops[at] = _top_of(folder)
        top = self._tops[at]
        if top not in self._repositories:
            self._repositories[top] = _read(top, self.revision)
        return self._repositories[top]


def _nearest(folder: str) -> str:
    """The folder above which git need not be asked again: the nearest with a `.git`."""
    while not os.path.exists(os.path.join(folder, ".git")) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder


def _top_of(folder: str) -> str:
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise SinceError(
            f"error: --since: {folder} is in no git repository\n  help: {_last_line(done.stderr)}"
        )
    return os.path.realpath(os.fsdecode(done.stdout.removesuffix(b"\n")))


def _read(top: str, revision: str) -> _Repository:
    done = _git(
        top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    commit = done.stdout.decode("ascii", "replace").strip()
    if done.returncode or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise SinceError(
            f"error: --since: git knows no revision {revision!r} in {top}\n"
            "  help: a shallow clone has only the newest; `git fetch --unshallow` brings the others"
        )
    tree = _output(top, "ls-tree", "-r", "-z", "--full-tree", commit)
    moved = _output(
        top, "diff", "--cached", "--no-ext-diff", "--no-textconv", "--find-renames", "-z",
        "--name-status", "--diff-filter=R", "--ignore-submodules=all", commit, "--",
    )  # fmt: skip
    _, old, new = moved[0::3], moved[1::3], moved[2::3]
    tracked = frozenset(_output(top, "ls-files", "-z", "--"))
    return _Repository(top, dict(_blobs(tree)), dict(zip(new, old, strict=True)), tracked)


def _blobs(tree: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and id of each file in what `ls-tree` tells."""
    for entry in tree:
        about, _, name = entry.partition("\t")
        yield name, about.rsplit(" ", 1)[1]


def _output(folder: str, *arguments: str) -> list[str]:
    """What git tells, entry by entry."""
    done = _git(folder, *arguments)
    if done.returncode:
        raise SinceError(f"error: --since: git {arguments[0]}: {_last_line(done.stderr)}")
    return [os.fsdecode(entry) for entry in done.stdout.split(b"\0") if entry]


def _git(folder: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    env = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    env.update(GIT_OPTIONAL_LOCKS="0", GIT_NO_LAZY_FETCH="1", LC_ALL="C", GIT_PAGER="cat")
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


def _id_of(data: bytes, length: int) -> str:
    """What git calls a file's content, in one of the two lengths that it has."""
    made = hashlib.sha1(usedforsecurity=False) if length == 40 else hashlib.sha256()
    made.update(b"blob %d\0" % len(data) + data)
    return made.hexdigest()


def _changed_lines(source: Source, old: bytes) -> Iterator[Line]:
    """What is new in a text; of a notebook in its code, wherever its JSON puts it."""
    if source.kind == "notebook":
        before, now = _cells(source.path, old), source.cells
    else:
        before, now = (
            {0: old.decode(source.encoding, "replace").removeprefix("\ufeff")},
            {0: source.text},
        )
    former = [line for text in before.values() for line in split_lines(text)]
    by_cell = {cell: split_lines(text) for cell, text in now.items()}
    places = [(cell, number + 1) for cell, some in by_cell.items() for number in range(len(some))]
    for first, last in _new(former, [line for some in by_cell.values() for line in some]):
        yield from places[first:last]


def _cells(path: str, data: bytes) -> dict[int, str]:
    from trainlint.lint.notebooks import read_notebook
    from trainlint.lint.problem import Unreadable

    try:
        return read_notebook(path, data).cells
    except Unreadable:
        return {}


def _new(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First index of what is new, and the one after it; difflib is slow over what is alike."""
    begin = _alike(old, new)
    end = _alike(old[begin:][::-1], new[begin:][::-1])
    matcher = difflib.SequenceMatcher(
        None, old[begin : len(old) - end], new[begin : len(new) - end]
    )
    for tag, _, _, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield begin + first, begin + last


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines two texts have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
