"""`trainlint check --fix` and `--diff`: what the check found, fixed first where that is asked."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trainlint.commands.ignoring import Ignoring, ignored_line
from trainlint.finding import Finding, is_fixable
from trainlint.fixing import Fixing, Look, fix_all
from trainlint.lint.engine import Checked
from trainlint.lint.files import NOTHING_UNWRITTEN, STDIN
from trainlint.reporters.output import Rendered
from trainlint.reporters.report import Report
from trainlint.reporters.text import count


@dataclass(frozen=True)
class FixOptions:
    """What the command line asks of the fixes."""

    fix: bool = False
    unsafe: bool = False
    diff: bool = False
    add_ignore: bool = False  # write suppressions in the place of fixes

    @property
    def any(self) -> bool:
        """Whether files are to be changed, or shown as they would be."""
        return self.fix or self.diff or self.add_ignore


@dataclass(frozen=True)
class Outcome:
    """What stands after a check, and what was fixed of what was found."""

    checked: Checked
    findings: list[Finding]
    fixing: Fixing | None = None
    piped: bytes | None = None  # standard input, mended, to be handed on

    @property
    def would_change(self) -> bool:
        """Whether any file is changed by what was fixed."""
        return self.fixing is not None and bool(self.fixing.unwritten)

    @property
    def fixed(self) -> int:
        """How many findings were fixed."""
        return self.fixing.count if self.fixing is not None else 0

    def report(self, unsafe: bool) -> Report:
        """What is to be told of it."""
        checked, fixing = self.checked, self.fixing
        problems = [*checked.problems, *(fixing.problems if fixing else [])]
        return Report(
            self.findings, problems, checked.sources, checked.files, fixed=self.fixed, unsafe=unsafe
        )


def look_and_fix(paths: Sequence[str], look: Look, asked: FixOptions, stdin_name: str) -> Outcome:
    """Check, and fix what is to be fixed; files are written unless only the changes are wanted.

    `stdin_name` is what standard input is called in findings.
    """
    if not asked.any:
        return Outcome(*look(paths, NOTHING_UNWRITTEN))
    if asked.add_ignore:
        ignoring = Ignoring(look)
        outcome = look_and_fix(
            paths, ignoring, replace(asked, fix=True, add_ignore=False), stdin_name
        )
        return replace(outcome, findings=ignoring.restored(outcome.findings))
    stdin = {STDIN: sys.stdin.buffer.read()} if STDIN in paths else {}
    fixing, checked, findings = fix_all(paths, look, asked.unsafe, stdin, stdin_name)
    piped = fixing.unwritten.get(STDIN, stdin.get(STDIN))
    if not (asked.diff or fixing.write()):
        # What could not be written stands as it was, and so do its findings.
        checked, findings = look(paths, {**stdin, **fixing.unwritten})
    return Outcome(checked, findings, fixing, None if asked.diff else piped)


def render_diff(outcome: Outcome, asked: FixOptions) -> Rendered:
    """What would be changed, for people and for `patch`."""
    assert outcome.fixing is not None
    body = ""
    for real, data in sorted(outcome.fixing.unwritten.items()):
        source = outcome.fixing.before[real]
        before, after = (one.decode(source.encoding) for one in (source.data, data))
        body += "".join(_diff(source.path, before, after))
    if asked.add_ignore:
        last = ignored_line(outcome.fixing, outcome.findings, diff=True)
    else:
        last = _would_fix(outcome.report(asked.unsafe)) + "\n"
    return Rendered(body, last, human=True, last_beside=True)


def _would_fix(report: Report) -> str:
    hidden = sum(is_fixable(one, True) and not report.unsafe for one in report.findings)
    more = f" ({count(hidden, 'more fix', 'more fixes')} with `--unsafe-fixes`)" if hidden else ""
    if not report.fixed:
        return f"Nothing would be fixed{more}."
    return f"Would fix {count(report.fixed, 'mistake')}{more}."


def _diff(path: str, before: str, after: str) -> Iterator[str]:
    """A unified diff whose lines end where git's do, so that `patch` and `git apply` take it."""
    old, new = (re.split(r"(?<=\n)(?=.)", text, flags=re.DOTALL) for text in (before, after))
    for line in difflib.unified_diff(old, new, path, path):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
