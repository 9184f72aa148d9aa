"""Fixing until there is nothing left to fix, in memory; only what came out whole is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trainlint.edits import mend
from trainlint.finding import Finding, is_fixable
from trainlint.lint.engine import Checked
from trainlint.lint.files import STDIN, Unwritten
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.source import Source
from trainlint.writing import replace_file

# Checks paths as if some files were written already: what it came to, and what is to be reported.
Look = Callable[[Sequence[str], Unwritten], tuple[Checked, list[Finding]]]

# Each round applies all fixes of a file that do not touch; as many as touch need as many rounds.
MOST_ROUNDS = 100

_BUG = "this is a bug in trainlint: report it"


@dataclass
class Fixing:
    """Files that are being fixed, by their real paths; what is to be written, and what was read.

    `allowed` are the files that were asked for: one that they import is left alone.
    """

    allowed: frozenset[str]
    unsafe: bool
    stdin_name: str = ""  # what standard input is called in findings
    unwritten: dict[str, bytes] = field(default_factory=dict)
    before: dict[str, Source] = field(default_factory=dict)
    fixed: dict[str, list[Finding]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _rounds: Counter[str] = field(default_factory=Counter)
    _refused: set[tuple[str, str]] = field(default_factory=set)
    _given_up: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many findings were fixed."""
        return sum(map(len, self.fixed.values()))

    def apply(self, findings: Sequence[Finding], sources: Mapping[str, Source]) -> list[str]:
        """One round over all files with something to fix; the paths of those that it changed."""
        changed = []
        for real, of_file in self._by_file(findings).items():
            source = sources.get(of_file[0].location.path)
            if source is not None and self._apply(real, source, of_file):
                changed.append(STDIN if real == STDIN else source.path)
        return changed

    def _by_file(self, findings: Iterable[Finding]) -> dict[str, list[Finding]]:
        found: dict[str, list[Finding]] = {}
        for finding in findings:
            real = self._real(finding.location.path)
            if real not in self.allowed or real in self._given_up:
                continue
            if is_fixable(finding, self.unsafe) and (real, finding.code) not in self._refused:
                found.setdefault(real, []).append(finding)
        return found

    def _real(self, path: str) -> str:
        """One name for a file, however it is reached; `-` for standard input."""
        is_stdin = path == self.stdin_name and STDIN in self.allowed
        return STDIN if is_stdin else os.path.realpath(path)

    def _apply(self, real: str, source: Source, findings: Sequence[Finding]) -> bool:
        self.before.setdefault(real, source)
        self._rounds[real] += 1
        if self._rounds[real] > MOST_ROUNDS:
            return self._give_up(real, source)
        data, fixed, broken = mend(source, findings, self.unsafe)
        for finding in broken:
            self._refused.add((real, finding.code))
            message = f"the fix of {finding.code} would break the file, and was left out"
            self.problems.append(Problem(source.path, message, _BUG, finding.location.line))
        if data == source.data:
            self._refused.update((real, finding.code) for finding in fixed)
            return False
        self.unwritten[real] = data
        self.fixed.setdefault(real, []).extend(fixed)
        return True

    def _give_up(self, real: str, source: Source) -> bool:
        """Leave a file as it was whose fixes come to no end."""
        self._given_up.add(real)
        self.forget(real)
        message = f"its fixes came to no end in {MOST_ROUNDS} rounds, and were left out"
        self.problems.append(Problem(source.path, message, _BUG))
        return True

    def forget(self, real: str) -> None:
        """Take back all that was fixed in a file."""
        self.unwritten.pop(real, None)
        self.fixed.pop(real, None)

    def write(self) -> bool:
        """Write all files; whether all of them could be. One that could not is a problem."""
        failed = []
        for real, data in self.unwritten.items():
            if real == STDIN:
                continue
            before = self.before[real]
            try:
                replace_file(before.path, before.data, data)
            except Unreadable as error:
                self.problems.append(Problem.of(before.path, error))
                failed.append(real)
        for real in failed:
            self.forget(real)
        return not failed


def fix_all(
    paths: Sequence[str], look: Look, unsafe: bool, known: Unwritten, stdin_name: str
) -> tuple[Fixing, Checked, list[Finding]]:
    """Fix what is found until a look at all paths finds no more to fix; nothing is written.

    `known` holds what is read from elsewhere than the disk. Returns what was fixed, and what the
    last look found.
    """
    checked, findings = look(paths, known)
    files = (path if path == STDIN else os.path.realpath(path) for path in checked.paths)
    fixing = Fixing(frozenset(files), unsafe, stdin_name)
    while changed := fixing.apply(findings, checked.sources):
        while changed:  # only these may have more to fix; a look at all comes after them
            checked, findings = look(changed, {**known, **fixing.unwritten})
            changed = fixing.apply(findings, checked.sources)
        checked, findings = look(paths, {**known, **fixing.unwritten})
    return fixing, checked, findings
