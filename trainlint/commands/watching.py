"""`trainlint check --watch`: check, and again whenever something changes that counts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from trainlint.commands.manner import Manner
from trainlint.commands.missing import MissingError
from trainlint.commands.settings import Settings, SettingsError, load_settings
from trainlint.config.files import NAMES
from trainlint.lint.files import STDIN, discover, is_document, is_python, read_data
from trainlint.lint.problem import Problem, Unreadable
from trainlint.reporters import HUMAN
from trainlint.selection import Scope

# The files by which it is decided what is checked, and how.
_SET = (*NAMES, ".gitignore")
# Milliseconds after which what lies above is looked at, though no file was said to change.
_PATIENCE = 500
_SETTINGS = ("extend_select", "force_exclude", "target_torch", "isolated")

# What a file was like: when it was written last, how long it was, and which file it was.
Mark = tuple[int, int, int]


@dataclass(frozen=True)
class Marks:
    """What the files were like at one moment, by path: of the folders watched, and above them."""

    near: dict[str, Mark]
    above: dict[str, Mark]


def watch_command(
    paths: Sequence[str], check: Callable[[], int], manner: Manner, **options: Any
) -> int:
    """Check until Ctrl-C; raises what the first check does, and tells of what later ones raise."""
    _refuse(paths, options)
    try:
        import watchfiles  # noqa: F401
    except ModuleNotFoundError:
        raise MissingError("--watch", "watchfiles", "watch") from None
    rounds, at_once = itertools.count(), False
    while True:
        scene = scene_of(paths, options)
        before = scene.marks()
        if not at_once:  # else the report of what the last check mended would be gone at once
            click.clear()
        _check(check, first=next(rounds) == 0)
        if not (manner.quiet or manner.silent):
            click.echo("Watching for changes; Ctrl-C ends it.", err=True)
        at_once = _wait(scene, before)


def _refuse(paths: Sequence[str], options: Mapping[str, Any]) -> None:
    """Refuse what makes no sense again and again."""
    asked = {
        "-": STDIN in paths,
        "--output-file": options["output_file"] is not None,
        "--diff": options["diff"],
        "--write-baseline": options["write_baseline"] is not None,
        "--add-ignore": options["add_ignore"],
        f"--output-format {options['output_format']}": options["output_format"] not in HUMAN,
    }
    for option in (name for name, is_asked in asked.items() if is_asked):
        raise SettingsError(
            f"error: --watch checks again and again, for someone who looks on; {option} is for a"
            " check that ends\n  help: leave one of the two out"
        )


def _check(check: Callable[[], int], *, first: bool) -> None:
    try:
        check()
    except click.ClickException as error:
        if first:
            raise
        error.show()  # a configuration that is being written, for one


def _wait(scene: Scene, before: Marks) -> bool:
    """Wait until something that counts is not as it was; whether that was so at once."""
    from watchfiles import watch

    looks = watch(
        *filter(os.path.isdir, scene.folders),
        watch_filter=None,
        recursive=False,
        rust_timeout=_PATIENCE,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    # Nothing is lost between the marks and the first look: it comes after watching has begun.
    for number, changes in enumerate(looks):
        near = before.near if number and not changes else scene.marks_near()
        if Marks(near, scene.marks_above()) != before:
            return number == 0
    return False


# -- what counts -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """The folders of all that is checked or imported, and those whose configuration counts.

    `files` are named by options, wherever they lie.
    """

    folders: frozenset[str]
    above: frozenset[str]
    files: frozenset[str]

    def marks(self) -> Marks:
        """What all files that count are like."""
        return Marks(self.marks_near(), self.marks_above())

    def marks_near(self) -> dict[str, Mark]:
        """What the files are like of the folders that are watched."""
        return {path: mark for folder in self.folders for path, mark in _marks_in(folder)}

    def marks_above(self) -> dict[str, Mark]:
        """What the files are like that lie where nobody is told of changes."""
        names = (os.path.join(folder, name) for folder in self.above for name in _SET)
        found = ((path, _mark(path)) for path in (*names, *self.files))
        return {path: mark for path, mark in found if mark is not None}


def _marks_in(folder: str) -> Iterator[tuple[str, Mark]]:
    """The files of a folder that count, and the folders in it: one that comes is looked into."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if os.path.isdir(entry.path):  # of a link that leads back to itself as well
            if not _is_hidden(entry.name):
                yield entry.path, (0, 0, 0)
        elif entry.name in _SET or is_python(entry.name) or is_document(entry.name):
            mark = _mark(entry.path)
            if mark is not None:
                yield entry.path, mark


def _is_hidden(name: str) -> bool:
    """Whether a folder is one of a tool's, our own cache among them."""
    return name.startswith(".") or name == "__pycache__"


def _mark(path: str) -> Mark | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def scene_of(paths: Sequence[str], options: Mapping[str, Any]) -> Scene:
    """What counts for a check of these paths."""
    folders = {path if os.path.isdir(path) else os.path.dirname(path) or "." for path in paths}
    try:
        settings = load_settings(paths[0], *_asked(options), **_more(options))
        walked = _Walked(settings)
        files = list(discover(paths, settings.exclude, walked))
        folders |= walked.folders
        found = [path for path in files if not isinstance(path, Problem)]
        folders |= {os.path.dirname(path) or "." for path in (*found, *_imported(found))}
    except SettingsError:
        pass  # the check tells of it; until it is mended, what is named counts
    real = frozenset(map(os.path.realpath, folders))
    named = (options["config"], options["baseline"])
    above = frozenset(one for folder in real for one in _above(folder)) - real
    return Scene(real, above, frozenset(os.path.realpath(one) for one in named if one))


class _Walked:
    """What is asked of which file, noting the folders that a search comes through."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folders: set[str] = set()

    def scope(self, path: str) -> Scope:
        """What is asked of a file."""
        return self._settings.scope(path)

    def leaves_out(self, path: str, is_folder: bool) -> bool | None:
        """Whether a file or folder is left out of the search."""
        said = self._settings.leaves_out(path, is_folder)
        if is_folder and not said and not _is_hidden(os.path.basename(path)):
            self.folders.add(path)
        return said

    def forces(self, path: str) -> bool:
        """Whether it stays out where it is named."""
        return self._settings.forces(path)


def _imported(paths: Sequence[str]) -> Iterator[str]:
    """The files that files import, and those that these import."""
    from trainlint.lint.project import Project

    project = Project()
    for path in paths:
        try:
            reached = project.reached(path, read_data(path))
        except Unreadable:
            continue
        for _ in reached:
            pass
    yield from list(project.witness.seen)


def _above(folder: str) -> Iterator[str]:
    """The folders above one, up to the top of its repository."""
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above
        yield folder


def _asked(options: Mapping[str, Any]) -> list[Any]:
    return [options[name] for name in ("config", "select", "ignore", "exclude")]


def _more(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in _SETTINGS}
