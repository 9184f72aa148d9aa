"""Asks about many files: here, or in processes of their own where that pays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext

from trainlint.lint.answer import Answer, Question
from trainlint.lint.asking import ask_each
from trainlint.lint.files import Unwritten
from trainlint.lint.problem import Problem
from trainlint.lint.project import Project
from trainlint.lint.witness import Seen
from trainlint.registry import RULES, load

# Bytes that a process must have to read before it pays. A forked one starts at once; where there
# is no safe fork, it first has to import all of this, for about a second.
_PAYS_FORKED = 100_000
_PAYS_SPAWNED = 400_000
# Files of one folder import the same ones: they go to a process together, but not so many that
# one is left with the last of them while the others wait.
_TOGETHER = 8

Answers = dict[Question, Answer]


def ask_all(
    questions: Sequence[Question], unwritten: Unwritten, jobs: int
) -> tuple[Answers, Mapping[str, Seen]]:
    """The answers, and what they rest on; in at most so many processes, 0 for one per core."""
    workers = _how_many(questions, jobs or cores())
    if workers > 1:
        return _Pool(workers, unwritten).ask_all(questions)
    project = Project(unwritten)
    answers = dict(zip(questions, ask_each(questions, project), strict=True))
    return answers, project.witness.seen


def cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _how_many(questions: Sequence[Question], jobs: int) -> int:
    pays = _PAYS_FORKED if _forks() else _PAYS_SPAWNED
    return min(jobs, sum(len(one.data) for one in questions) // pays, len(questions))


def _forks() -> bool:
    """Whether a process may be copied: on macOS, system libraries do not survive it."""
    return sys.platform == "linux"


def _context() -> BaseContext:
    return multiprocessing.get_context("fork" if _forks() else "spawn")


class _Pool:
    """Processes that share the questions."""

    def __init__(self, workers: int, unwritten: Unwritten) -> None:
        self._workers, self._unwritten = workers, unwritten
        self._answers: Answers = {}
        self._seen: dict[str, Seen] = {}

    def ask_all(self, questions: Sequence[Question]) -> tuple[Answers, Mapping[str, Seen]]:
        load(RULES)  # once, before the processes are made
        parts = [questions[at : at + _TOGETHER] for at in range(0, len(questions), _TOGETHER)]
        left = self._ask(parts, self._workers)
        # A process died of one of these; the others must not suffer for it.
        for question in (one for part in left for one in part):
            if self._ask([[question]], 1):
                self._answers[question] = _died(question)
        return {one: self._answers[one] for one in questions}, self._seen

    def _ask(self, parts: Sequence[Sequence[Question]], workers: int) -> list[Sequence[Question]]:
        """Ask part by part; those that came to no answer."""
        left = []
        with self._executor(workers) as executor:
            futures = [(part, executor.submit(_ask_part, part)) for part in parts]
            for part, future in futures:
                try:
                    self._take(part, future)
                except BrokenProcessPool:
                    left.append(part)
        return left

    def _executor(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, _context(), _begin, (dict(self._unwritten),))

    def _take(
        self, part: Sequence[Question], future: Future[tuple[list[Answer], dict[str, Seen]]]
    ) -> None:
        answers, seen = future.result()
        self._answers.update(zip(part, answers, strict=True))
        for path, one in seen.items():
            self._seen.setdefault(path, Seen()).take_in(one)


def _died(question: Question) -> Answer:
    text = "the process that read it died: it may have run out of memory"
    hint = "leave the file out with --exclude, or give it to trainlint alone"
    return Answer(problems=(Problem(question.path, text, hint),), lasting=False)


# -- in a process of its own -----------------------------------------------------------------------

_projects: list[Project] = []


def _begin(unwritten: Unwritten) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end at once, and say nothing
    _projects[:] = [Project(unwritten)]


def _ask_part(part: Sequence[Question]) -> tuple[list[Answer], dict[str, Seen]]:
    (project,) = _projects
    project.witness.seen.clear()
    return ask_each(part, project), project.witness.seen
