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
from trainlint.lint.parse import check_syntax, parse
from trainlint.lint.problem import Unreadable
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


def check(subject: Subject) -> list[Finding]:
    """Nothing fails, nothing is warned of, and what is found lies in the file."""
    path = path_of(subject)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked, findings = look_at([path], {path: subject.data})
    for problem in checked.problems:
        assert "internal error" not in problem.message, problem
        assert "bug" not in (problem.hint or ""), problem
    for finding in findings:
        _lies_in(finding, checked.sources[path])
    return findings


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


def fix(subject: Subject) -> None:
    """Fixing leaves all that lies outside its edits, what parsed parses, and it comes to an end."""
    after = _changed(subject, look_at)
    path = path_of(subject)
    again, _, findings = fix_all([path], look_at, True, {path: after}, "")
    assert not again.unwritten, again.unwritten
    assert not [one for one in findings if is_fixable(one, True)], findings


def ignore(subject: Subject) -> None:
    """Suppressions change no code, and nothing is left that one could excuse."""
    path = path_of(subject)
    after = _changed(subject, Ignoring(look_at))
    before = make_source(path, subject.data) if after != subject.data else None
    if before is not None:
        assert _tree(before) == _tree(make_source(path, after)), after
    ignoring = Ignoring(look_at)
    again, _, findings = fix_all([path], ignoring, True, {path: after}, "")
    assert not again.unwritten, again.unwritten
    left = [one for one in findings if one.code != UNUSED]
    if before is not None and before.kind == "python":
        assert not left, left


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
