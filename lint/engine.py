"""Checks files: each is read, parsed and lowered once, and every wanted rule is asked."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from trainlint.directives import UNUSED
from trainlint.finding import Finding, Location
from trainlint.lint.files import (
    NOTHING_UNWRITTEN,
    Unwritten,
    discover,
    read_source,
    shown_path,
)
from trainlint.lint.model import ModelError, Script
from trainlint.lint.parse import check_syntax, parse
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.project import Project
from trainlint.lint.rule import apply_rule
from trainlint.lint.source import Source
from trainlint.lint.torch_api import OLDEST_TARGET
from trainlint.registry import RULES, Entry, load
from trainlint.selection import Scope, Scopes, Selection
from trainlint.unused import is_annotated, with_unused

T = TypeVar("T")

# A file without this has no training in it, whatever its framework.
_TRAINING = b"torch"

# libcst and the lowering recurse as deep as the code is nested; Python stops at 1000 frames, and
# a thread's usual stack of 8 MiB well before what libcst can take.
_STACK = 512 * 1024 * 1024
_RECURSION = 20_000


@dataclass
class Checked:
    """What checking came to: findings in reading order, and what could not be checked.

    `paths` are those of the files that were asked for, though not of those that they import.
    """

    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    files: int = 0
    # Checked files with a suppression that may turn out to excuse nothing.
    annotated: list[Source] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    _told: dict[tuple[str, Location], Finding] = field(default_factory=dict)

    def add(self, source: Source, findings: Iterable[Finding], project: Project) -> None:
        """Add what one file's checking found, and keep the sources of the files it lies in.

        A finding can lie in a file that this one imports, and be found from several: it is told
        once, in the same words whichever file was checked first.
        """
        for finding in findings:
            key = (finding.code, finding.location)
            self._told[key] = min(self._told.get(key, finding), finding, key=_words)
            path = finding.location.path
            if path not in self.sources:
                script = None if path == source.path else project.script(path)
                self.sources[path] = script.source if script is not None else source

    @property
    def findings(self) -> list[Finding]:
        """All findings, in reading order."""
        return sorted(self._told.values(), key=lambda finding: finding.sort_key)


def _words(finding: Finding) -> tuple[str, str]:
    return finding.message, repr(finding.related)


def check_paths(
    paths: Sequence[str],
    selection: Selection,
    exclude: Sequence[str] = (),
    target_torch: str = OLDEST_TARGET,
    stdin_filename: str | None = None,
    scopes: Scopes | None = None,
    unwritten: Unwritten = NOTHING_UNWRITTEN,
) -> Checked:
    """Check files, and the folders' files; a file that cannot be checked stops no other.

    What is read from standard input counts as the file `stdin_filename`, which need not be there.
    With `scopes`, each file is asked what its own configuration wants. A file that `unwritten`
    holds is checked as if it were written.
    """
    everywhere = Scope(selection, target_torch)
    return with_deep_stack(
        lambda: _check_paths(paths, everywhere, exclude, stdin_filename, scopes, unwritten)
    )


def _check_paths(
    paths: Sequence[str],
    everywhere: Scope,
    exclude: Sequence[str],
    stdin_filename: str | None,
    scopes: Scopes | None,
    unwritten: Unwritten,
) -> Checked:
    checked, project = Checked(), Project(unwritten)
    entries_of = functools.cache(_entries_of)  # most files are asked the same
    named = {os.path.normpath(path) for path in paths}
    for path in discover(paths, exclude, scopes):
        if isinstance(path, Problem):
            checked.problems.append(path)
            continue
        checked.files += 1
        checked.paths.append(path)
        scope = everywhere if scopes is None else scopes.scope(shown_path(path, stdin_filename))
        entries = entries_of(scope.selection)
        try:
            source = read_source(path, stdin_filename, unwritten)
            if is_annotated(source.data):
                checked.annotated.append(source)
            if path in named and source.kind == "python" and _TRAINING not in source.data:
                check_syntax(source)  # in a folder, files without training are left to others
            target = scope.target_torch
            findings = _check_source(source, entries, checked.problems, project, target)
            checked.add(source, findings, project)
        except Unreadable as error:
            checked.problems.append(Problem.of(shown_path(path, stdin_filename), error))
    return checked


def _entries_of(selection: Selection) -> list[Entry]:
    return [entry for entry in load(RULES) if entry in selection]


def check_source(
    source: Source,
    selection: Selection,
    target_torch: str = OLDEST_TARGET,
    project: Project | None = None,
) -> list[Finding]:
    """The findings of one source, in reading order; raises Unreadable.

    Without a project, the files that it imports are not looked at.
    """
    entries = _entries_of(selection)
    problems: list[Problem] = []
    findings = _check_source(source, entries, problems, project, target_torch)
    if problems:
        raise Unreadable(problems[0].message, problems[0].hint)
    if any(entry.code == UNUSED for entry in entries) and is_annotated(source.data):
        codes = {entry.code for entry in entries}
        # What is excused is told as well: this is what the rules find.
        found = with_unused(findings, {}, [source], load(RULES), lambda _, code: code in codes)
        findings += [finding for finding in found if finding.code == UNUSED]
    return sorted(findings, key=lambda finding: finding.sort_key)


def _check_source(
    source: Source,
    entries: Sequence[Entry],
    problems: list[Problem],
    project: Project | None,
    target_torch: str,
) -> list[Finding]:
    if _TRAINING not in source.data:
        return []
    reach = [source.data] if project is None else list(project.reached(source.path, source.data))
    wanted = [entry for entry in entries if _may_speak(entry, reach)]
    if not wanted:
        return []
    module = parse(source) if project is None else project.parsed(source)
    script = Script(source, module, project, target_torch)
    findings: list[Finding] = []
    failures: dict[str, Problem] = {}
    for entry in wanted:
        try:
            findings += apply_rule(entry, script)
        except RecursionError:
            failures[""] = Problem(source.path, "the code is nested too deeply to be followed")
            break
        except ModelError as error:
            failures[""] = _internal_error(source, f"reading the script's {error}")
        except Exception as error:
            # One broken rule must not hide what the others find.
            what = f"{entry.code} ({entry.name}): {type(error).__name__}: {error}"
            failures[entry.code] = _internal_error(source, what)
    problems += failures.values()
    return findings


def _internal_error(source: Source, what: str) -> Problem:
    text = f"internal error in {what}"
    return Problem(source.path, text, "this is a bug in trainlint: report it")


def _may_speak(entry: Entry, reach: Sequence[bytes]) -> bool:
    return not entry.needs or any(need in data for data in reach for need in entry.needs)


def with_deep_stack(function: Callable[[], T]) -> T:
    """Run in a thread whose stack fits deeply nested code."""
    result: list[T] = []
    raised: list[BaseException] = []

    def target() -> None:
        try:
            result.append(function())
        except BaseException as error:  # handed on below
            raised.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK)
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    if raised:
        raise raised[0]
    return result[0]
