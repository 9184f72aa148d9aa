"""What must hold of every file, whatever it holds."""

from __future__ import annotations

import ast
import json
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mutating import Subject

from trainlint import edits, fixing
from trainlint.commands.ignoring import Ignoring
from trainlint.directives import UNUSED
from trainlint.finding import Edit, Finding, is_fixable
from trainlint.fixing import Look, fix_all
from trainlint.lint.deep import with_deep_stack
from trainlint.lint.engine import Checked, check_paths
from trainlint.lint.files import Unwritten, make_source
from trainlint.lint.parse import parse
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.python_syntax import check_syntax
from trainlint.lint.source import Source
from trainlint.registry import RULES, load
from trainlint.selection import Selection
from trainlint.unused import with_unused

# Nothing lies here: what is checked is handed over as if it were to be written.
FOLDER = Path(os.path.realpath(os.curdir)) / "nowhere"
ALL = Selection(("ALL",))


def look_at(paths: Sequence[str], unwritten: Unwritten) -> tuple[Checked, list[Finding]]:
    """What the command does with all rules: what is found, and no comment excuses."""
    checked = check_paths(paths, ALL, unwritten=unwritten)
    told = with_unused(
        checked.findings, checked.sources, checked.annotated, load(RULES), lambda *_: True
    )
    for source in checked.annotated:
        checked.sources.setdefault(source.path, source)
    return checked, told


def path_of(subject: Subject) -> str:
    """What a file is called."""
    return str(FOLDER / subject.name)


def check(subject: Subject) -> list[Problem]:
    """What failed; nothing may be warned of, and what is found must lie in the file."""
    path = path_of(subject)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked, findings = look_at([path], {path: subject.data})
    for finding in findings:
        _lies_in(finding, checked.sources[path])
    return [one for one in checked.problems if "report it" in (one.hint or "")]


def _lies_in(finding: Finding, source: Source) -> None:
    for at in (finding.location, *(one.location for one in finding.related)):
        if at.path == source.path:
            lines = _lines(source, at.cell)
            last = max(at.line, at.end_line)
            assert 1 <= at.line <= last <= len(lines), finding
            assert 1 <= at.column <= len(lines[at.line - 1]) + 1, finding
            assert at.end_column <= len(lines[last - 1]) + 1, finding
    at = finding.location
    if finding.code in ("TRN001", "TRN003") and at.path == source.path:
        named = re.match(r"`([^`]*)`", finding.message)
        assert named is not None
        line = _lines(source, at.cell)[at.line - 1]
        assert line[at.column - 1 : at.end_column - 1] == named[1], finding


def _lines(source: Source, cell: int) -> list[str]:
    text = source.cells.get(cell, "") if source.kind == "notebook" else source.text
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def fix(subject: Subject) -> tuple[dict[str, bytes], list[Finding]]:
    """What is left to fix: what a second time would write, and findings with a fix.

    Fixing must leave all that lies outside its edits, and what parsed must parse.
    """
    after = _changed(subject, look_at)
    path = path_of(subject)
    again, _, findings = fix_all([path], look_at, True, {path: after}, "")
    return again.unwritten, [one for one in findings if is_fixable(one, True)]


def ignore(subject: Subject) -> tuple[dict[str, bytes], list[Finding]]:
    """What is left to excuse: what a second time would write, and findings of a Python file.

    Suppressions must change no code.
    """
    path = path_of(subject)
    after = _changed(subject, Ignoring(look_at))
    before = make_source(path, subject.data) if after != subject.data else None
    if before is not None:
        assert _tree(before) == _tree(make_source(path, after)), after
    again, _, findings = fix_all([path], Ignoring(look_at), True, {path: after}, "")
    left = [one for one in findings if one.code != UNUSED]
    is_python = before is not None and before.kind == "python"
    return again.unwritten, left if is_python else []


def _changed(subject: Subject, look: Look) -> bytes:
    """The file as it is after all edits, each round of which is made again in the plainest way."""
    path = path_of(subject)
    mend = edits.mend

    def watched(
        source: Source, findings: Sequence[Finding], unsafe: bool
    ) -> tuple[bytes, list[Finding], list[Finding]]:
        data, fixed, broken = mend(source, findings, unsafe)
        made = {edit for one in fixed if one.fix is not None for edit in one.fix.edits}
        assert data == _edited(source, made), (source.data, made)
        assert not broken, broken
        return data, fixed, broken

    with patch.object(fixing, "mend", watched):
        done, _, _ = fix_all([path], look, True, {path: subject.data}, "")
    assert not done.problems, done.problems
    after = done.unwritten.get(path, subject.data)
    with_deep_stack(lambda: _still_whole(path, subject.data, after))
    return after


def _edited(source: Source, edits: set[Edit]) -> bytes:
    data = source.data
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        data = data[: edit.start] + edit.content.encode(source.encoding) + data[edit.end :]
    return data


def _still_whole(path: str, before: bytes, after: bytes) -> None:
    if before == after:
        return
    old, new = make_source(path, before), make_source(path, after)
    parse(new)
    if _parses(old):
        check_syntax(new)
    if old.kind == "notebook":
        assert _without_code(before) == _without_code(after)


def _parses(source: Source) -> bool:
    try:
        check_syntax(source)
    except Unreadable:
        return False
    return True


def _without_code(data: bytes) -> Any:
    notebook = json.loads(data)
    for cell in notebook["cells"]:
        cell.pop("source")
    return notebook


def _tree(source: Source) -> str:
    def dumped() -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(source.code))

    return with_deep_stack(dumped)


PROPERTIES: dict[str, Callable[[Subject], object]] = {"check": check, "fix": fix, "ignore": ignore}
