"""Asks the rules about a source: it is parsed and lowered once, whatever they want of it."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterable, Sequence

from trainlint.directives import UNUSED
from trainlint.finding import Finding
from trainlint.lint.answer import TRAINING, Answer, Question
from trainlint.lint.deep import collecting_rarely, with_deep_stack
from trainlint.lint.files import make_source
from trainlint.lint.limit import Limiter
from trainlint.lint.model import ModelError, Script
from trainlint.lint.parse import parse
from trainlint.lint.problem import Problem, Unreadable, out_of_time
from trainlint.lint.project import Project
from trainlint.lint.rule import apply_rule
from trainlint.lint.source import Source
from trainlint.lint.torch_api import OLDEST_TARGET
from trainlint.registry import RULES, Entry, load
from trainlint.selection import Selection
from trainlint.unused import is_annotated, with_unused

# Bytes that are asked about until what is done with is let go: Python itself waits far longer.
_COLLECTED = 500_000


def ask_each(questions: Iterable[Question], project: Project) -> list[Answer]:
    """What the rules say of files, each within its time."""
    limiter, asked = Limiter(), 0

    def ask_one(question: Question) -> Answer:
        nonlocal asked
        asked += len(question.data)
        if asked > _COLLECTED:
            asked = 0
            gc.collect()  # a script and what is known of it refer to each other
        return limiter.run(
            question.time_limit,
            functools.partial(ask, question, project),
            functools.partial(_out_of_time, question, project),
        )

    with collecting_rarely():
        return with_deep_stack(lambda: [ask_one(one) for one in questions], limiter.watch)


def _out_of_time(question: Question, project: Project) -> Answer:
    project.forget()  # what was being read when it was left off is not to be read on
    problem = Problem.of(question.path, out_of_time(question.time_limit))
    return Answer(problems=(problem,), lasting=False)


def ask(question: Question, project: Project) -> Answer:
    """What the rules say of a file, as one of a project."""
    try:
        source = make_source(question.path, question.data)
        found, failed = _ask(source, _entries(question.codes), project, question.target_torch)
    except Unreadable as error:
        return Answer(problems=(Problem.of(question.path, error),))
    return Answer(tuple(found), tuple(failed), lasting=not failed)


@functools.lru_cache(maxsize=64)  # most files are asked the same
def _entries(codes: tuple[str, ...]) -> list[Entry]:
    return [entry for entry in load(RULES) if entry.code in codes]


def check_source(
    source: Source,
    selection: Selection,
    target_torch: str = OLDEST_TARGET,
    project: Project | None = None,
) -> list[Finding]:
    """The findings of one source, in reading order; raises Unreadable.

    Without a project, the files that it imports are not looked at.
    """
    entries = [entry for entry in load(RULES) if entry in selection]
    findings, problems = _ask(source, entries, project, target_torch)
    if problems:
        raise Unreadable(problems[0].message, problems[0].hint)
    if any(entry.code == UNUSED for entry in entries) and is_annotated(source.data):
        codes = {entry.code for entry in entries}
        # What is excused is told as well: this is what the rules find.
        found = with_unused(findings, {}, [source], load(RULES), lambda _, code: code in codes)
        findings += [finding for finding in found if finding.code == UNUSED]
    return sorted(findings, key=lambda finding: finding.sort_key)


def _ask(
    source: Source, entries: Sequence[Entry], project: Project | None, target_torch: str
) -> tuple[list[Finding], list[Problem]]:
    """What was found, and what failed; raises Unreadable."""
    if TRAINING not in source.data:
        return [], []
    reach = [source.data] if project is None else list(project.reached(source.path, source.data))
    wanted = [entry for entry in entries if _may_speak(entry, reach)]
    if not wanted:
        return [], []
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
    return findings, list(failures.values())


def _internal_error(source: Source, what: str) -> Problem:
    text = f"internal error in {what}"
    return Problem(source.path, text, "this is a bug in trainlint: report it")


def _may_speak(entry: Entry, reach: Sequence[bytes]) -> bool:
    return not entry.needs or any(need in data for data in reach for need in entry.needs)
