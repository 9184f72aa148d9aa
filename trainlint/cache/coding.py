"""Answers as JSON, and back."""

from __future__ import annotations

from typing import Any

from trainlint.finding import Edit, Finding, Fix, Location, Related, Severity
from trainlint.lint.answer import Answer
from trainlint.lint.problem import Problem
from trainlint.lint.witness import Seen
from trainlint.registry import Listed

Json = Any


def answer_to_json(answer: Answer) -> Json:
    """The findings and problems of an answer."""
    problems = [[p.path, p.message, p.hint, p.line, p.column, p.cell] for p in answer.problems]
    return [[_finding_to_json(one) for one in answer.findings], problems]


def answer_of(kept: Json) -> Answer:
    """What `answer_to_json` made, as it was."""
    findings, problems = kept
    return Answer(tuple(map(_finding_of, findings)), tuple(Problem(*one) for one in problems))


def _finding_to_json(one: Finding) -> Json:
    fix = one.fix
    return [
        one.code,
        one.name,
        one.message,
        one.severity.value,
        _location_to_json(one.location),
        [[_location_to_json(other.location), other.label] for other in one.related],
        one.hint,
        fix and [fix.title, [[e.start, e.end, e.content] for e in fix.edits], fix.safe],
    ]


def _finding_of(kept: Json) -> Finding:
    code, name, message, severity, at, related, hint, fix = kept
    return Finding(
        code,
        name,
        message,
        Severity(severity),
        Location(*at),
        tuple(Related(Location(*place), label) for place, label in related),
        hint,
        fix and Fix(fix[0], tuple(Edit(*edit) for edit in fix[1]), fix[2]),
    )


def _location_to_json(at: Location) -> Json:
    return [at.path, at.line, at.column, at.end_line, at.end_column, at.cell]


def seen_to_json(seen: Seen) -> Json:
    """What was read and looked up for one file, in an order of its own."""
    return [seen.digest, dict(sorted(seen.imports.items())), dict(sorted(seen.around.items()))]


def seen_of(kept: Json) -> Seen:
    """What `seen_to_json` made, as it was."""
    digest, imports, around = kept
    return Seen(digest, imports, around)


def listed_to_json(one: Listed) -> Json:
    """What is known of a rule."""
    return [one.code, one.name, one.severity.value, one.default]


def listed_of(kept: Json) -> Listed:
    """What `listed_to_json` made, as it was."""
    code, name, severity, default = kept
    return Listed(code, name, Severity(severity), default)
