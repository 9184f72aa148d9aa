"""Checks files: what is known of them already is taken, and the rules are asked about the rest."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol

from trainlint.finding import Finding, Location
from trainlint.lint.answer import TRAINING, Answer, Question
from trainlint.lint.deep import with_deep_stack
from trainlint.lint.files import (
    NOTHING_UNWRITTEN,
    STDIN,
    Unwritten,
    discover,
    is_document,
    make_source,
    read_data,
    shown_path,
)
from trainlint.lint.limit import Limiter
from trainlint.lint.problem import Problem, Unreadable, out_of_time
from trainlint.lint.python_syntax import check_syntax
from trainlint.lint.source import Source
from trainlint.lint.torch_api import OLDEST_TARGET
from trainlint.lint.witness import Seen
from trainlint.registry import RULES, Listed, load
from trainlint.selection import Scope, Scopes, Selection
from trainlint.unused import is_annotated


class Known(Protocol):
    """What is kept of earlier checks."""

    def answer(self, question: Question) -> Answer | None:
        """What came of a question, if nothing that it rests on has changed since."""

    def rests_on(self, path: str) -> Set[str]:
        """The files whose bytes an answer about a file rests on."""

    def keep(self, answers: Mapping[Question, Answer], seen: Mapping[str, Seen]) -> None:
        """Keep new answers, and what they rest on."""


@dataclass(frozen=True)
class Means:
    """How the work is done: with what is known, among how many processes at most."""

    rules: Sequence[Listed] = ()  # all there are; none: they are looked for
    known: Known | None = None
    jobs: int = 1


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

    def add(self, finding: Finding) -> None:
        """Add a finding.

        One can lie in a file that others import, and be found from several: it is told once, in
        the same words whichever file was checked first.
        """
        key = (finding.code, finding.location)
        self._told[key] = min(self._told.get(key, finding), finding, key=_words)

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
    means: Means = Means(),
) -> Checked:
    """Check files, and the folders' files; a file that cannot be checked stops no other.

    What is read from standard input counts as the file `stdin_filename`, which need not be there.
    With `scopes`, each file is asked what its own configuration wants. A file that `unwritten`
    holds is checked as if it were written.
    """
    everywhere = Scope(selection, target_torch)
    check = _Check(paths, everywhere, exclude, stdin_filename, scopes, unwritten, means)
    with_deep_stack(check.read, check.limiter.watch)
    check.answer()
    return with_deep_stack(check.told)


class _Check:
    """One check: files are read, then answered for, then what is found is put in order."""

    def __init__(
        self,
        paths: Sequence[str],
        everywhere: Scope,
        exclude: Sequence[str],
        stdin_filename: str | None,
        scopes: Scopes | None,
        unwritten: Unwritten,
        means: Means,
    ) -> None:
        self._paths, self._exclude, self._scopes = paths, exclude, scopes
        self._everywhere, self._stdin_filename = everywhere, stdin_filename
        self._unwritten, self._means = unwritten, means
        self.limiter = Limiter()  # of reading
        self._checked = Checked()
        self._named = {os.path.normpath(path) for path in paths}
        self._problems: list[tuple[int, Problem]] = []  # with the number of the file
        self._asked: dict[Question, int] = {}
        self._answers: dict[Question, Answer] = {}
        self._codes = functools.cache(self._codes_of)  # most files are asked the same

    # -- reading -------------------------------------------------------------------------------

    def read(self) -> None:
        """Read every file, and ask what has to be asked about it."""
        checked = self._checked
        for number, path in enumerate(discover(self._paths, self._exclude, self._scopes)):
            if isinstance(path, Problem):
                self._problems.append((number, path))
                continue
            checked.files += 1
            checked.paths.append(path)
            try:
                question = self._question(path)
            except Unreadable as error:
                shown = shown_path(path, self._stdin_filename)
                self._problems.append((number, Problem.of(shown, error)))
                continue
            if question is not None:
                self._asked[question] = number

    def _question(self, path: str) -> Question | None:
        """What is to be asked about a file; None where it has no training. Raises Unreadable."""
        data = read_data(path, self._unwritten)
        shown = shown_path(path, self._stdin_filename)
        if is_annotated(data):
            self._checked.annotated.append(self._source(shown, data))
        if TRAINING not in data and not is_document(shown):
            source = self._source(shown, data)
            if path in self._named:  # in a folder, files without training are left to others
                check_syntax(source)
            return None
        scope = self._scope(shown)
        codes = self._codes(scope.selection)
        return Question(shown, data, codes, scope.target_torch, scope.time_limit)

    def _scope(self, path: str) -> Scope:
        return self._everywhere if self._scopes is None else self._scopes.scope(path)

    def _source(self, path: str, data: bytes) -> Source:
        """A file as a source; raises Unreadable, also where that takes too long."""
        if not is_document(path):  # which is decoded, and no more
            return make_source(path, data)
        limit = self._scope(path).time_limit
        made = self.limiter.run(limit, functools.partial(make_source, path, data), lambda: None)
        if made is None:
            raise out_of_time(limit)
        return made

    def _codes_of(self, selection: Selection) -> tuple[str, ...]:
        rules = self._means.rules or load(RULES)
        return tuple(entry.code for entry in rules if entry in selection)

    # -- answering -----------------------------------------------------------------------------

    def answer(self) -> None:
        """Take the answers that are known, and ask for the others."""
        known = self._known_answers()
        self._answers.update(known)
        open_questions = [one for one in self._asked if one not in known]
        if not open_questions:
            return
        from trainlint.lint.workers import ask_all

        new, seen = ask_all(open_questions, self._unwritten, self._means.jobs)
        self._answers.update(new)
        if self._store is not None:
            self._store.keep(new, seen)

    def _known_answers(self) -> dict[Question, Answer]:
        store = self._means.known
        if store is None or STDIN in self._paths:
            return {}
        asked = (one for one in self._asked if not self._rests_on_unwritten(store, one.path))
        found = ((one, store.answer(one)) for one in asked)
        return {question: answer for question, answer in found if answer is not None}

    def _rests_on_unwritten(self, store: Known, path: str) -> bool:
        """Whether an answer about a file rests on one that is not yet as it lies on the disk."""
        return bool(self._unwritten) and any(
            os.path.realpath(one) in self._unwritten for one in store.rests_on(path)
        )

    @property
    def _store(self) -> Known | None:
        """Where answers are kept, which speak of files as they lie on the disk."""
        return None if self._unwritten or STDIN in self._paths else self._means.known

    # -- telling -------------------------------------------------------------------------------

    def told(self) -> Checked:
        """What all of it came to."""
        checked = self._checked
        for question, number in self._asked.items():
            answer = self._answers[question]
            self._problems += ((number, problem) for problem in answer.problems)
            for finding in answer.findings:
                checked.add(finding)
                self._keep_source(question, finding.location.path)
        checked.problems += (problem for _, problem in sorted(self._problems, key=lambda at: at[0]))
        # What could not be checked whole tells nothing of which suppressions are needed.
        failed = {problem.path for problem in checked.problems}
        checked.annotated = [one for one in checked.annotated if one.path not in failed]
        return checked

    def _keep_source(self, question: Question, path: str) -> None:
        """Keep the source of a file that a finding lies in."""
        if path in self._checked.sources:
            return
        with contextlib.suppress(Unreadable):  # one that this file imports may be gone by now
            data = question.data if path == question.path else read_data(path, self._unwritten)
            self._checked.sources[path] = make_source(path, data)
