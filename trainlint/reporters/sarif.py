"""Findings as SARIF 2.1.0, the format of code scanning (OASIS, with errata 01)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from trainlint._version import __version__
from trainlint.finding import Confidence, Edit, Finding, Fix, Location, Severity
from trainlint.fingerprint import fingerprints
from trainlint.links import HOME, manual_url
from trainlint.lint.problem import Problem
from trainlint.registry import Entry, load_all
from trainlint.reporters.json import plain
from trainlint.reporters.places import (
    Region,
    from_root,
    position,
    region_of,
    region_of_problem,
    root,
)
from trainlint.reporters.report import Report

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "trainlint/v1"

# Characters of a full description that GitHub takes: docs.github.com, "SARIF support".
_LONGEST = 1024
_BASE = "%SRCROOT%"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_PROBLEM_SEVERITIES = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "recommendation",
}
_PRECISIONS = {
    Confidence.HIGH: "very-high",
    Confidence.MEDIUM: "medium",
    Confidence.LOW: "low",
}


def to_sarif(report: Report) -> dict[str, Any]:
    """The whole log, with one run."""
    codes = sorted({finding.code for finding in report.findings})
    run: dict[str, Any] = {
        "tool": {"driver": _driver(codes)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"uri": _folder_uri(root())}},
        "invocations": [_invocation(report.problems)],
        "results": _results(report, codes),
    }
    if report.run is not None:
        run["properties"] = {"run": dict(report.run)}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _driver(codes: Sequence[str]) -> dict[str, Any]:
    entries = {entry.code: entry for entry in load_all()}
    return {
        "name": "trainlint",
        "version": __version__,
        "informationUri": HOME,
        "rules": [_rule(code, entries.get(code)) for code in codes],
    }


def _rule(code: str, entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"id": code}
    manual = entry.manual
    return {
        "id": code,
        "name": entry.name,
        "shortDescription": {"text": manual.summary},
        "fullDescription": {"text": _first_part(manual.explanation or manual.summary)},
        "help": {"text": manual.text(), "markdown": manual.markdown()},
        "helpUri": manual_url(code),
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
        "properties": {
            "tags": [entry.area],
            "precision": _PRECISIONS[entry.confidence],
            "problem.severity": _PROBLEM_SEVERITIES[entry.severity],
        },
    }


def _first_part(text: str) -> str:
    """The first paragraphs, as many as code scanning shows; the help has the rest."""
    shown, *rest = text.split("\n\n")
    for paragraph in rest:
        if len(shown) + len(paragraph) + 2 > _LONGEST:
            break
        shown += f"\n\n{paragraph}"
    return shown[:_LONGEST]


def _invocation(problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "executionSuccessful": not problems,
        "toolExecutionNotifications": [_notification(problem) for problem in problems],
    }


def _notification(problem: Problem) -> dict[str, Any]:
    text = problem.message if problem.hint is None else f"{problem.message}\n\n{problem.hint}"
    location = _location(problem.path, region_of_problem(problem))
    if problem.cell:
        location |= _cell(problem.cell, problem.line or 1)
    return {"level": "error", "message": {"text": text}, "locations": [location]}


def _results(report: Report, codes: Sequence[str]) -> list[dict[str, Any]]:
    index = {code: number for number, code in enumerate(codes)}
    prints = fingerprints(report.findings, report.sources)
    return [
        {
            "ruleId": finding.code,
            "ruleIndex": index[finding.code],
            **_result(finding, report),
            "partialFingerprints": {FINGERPRINT: mark},
        }
        for finding, mark in zip(report.findings, prints, strict=True)
    ]


def _result(finding: Finding, report: Report) -> dict[str, Any]:
    text = f"{finding.message}\n\n{finding.hint}" if finding.hint else finding.message
    result: dict[str, Any] = {
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_place(finding.location, report)],
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_place(one.location, report), "message": {"text": one.label}}
            for number, one in enumerate(finding.related, 1)
        ]
    fix = _fix(finding.fix, finding.location.path, report) if finding.fix is not None else None
    if fix is not None:
        result["fixes"] = [fix]
    observed = _observed(finding)
    if observed:
        result["properties"] = observed
    return result


def _observed(finding: Finding) -> dict[str, Any]:
    """What a run showed of it, where there was one."""
    facts: dict[str, Any] = {}
    if finding.verdict is not None:
        facts["verdict"] = finding.verdict.value
    if finding.evidence:
        facts["evidence"] = plain(finding.evidence)
    return facts


# -- fixes ---------------------------------------------------------------------------------------


def _fix(fix: Fix, path: str, report: Report) -> dict[str, Any] | None:
    """A fix as replacements of regions; None where the file's text is not at hand."""
    source = report.source_of(path)
    if source is None or not fix.edits:
        return None
    replacements = []
    for edit in fix.edits:
        begin, end = position(source, edit.start), position(source, edit.end)
        replacements.append(_replacement(edit, Region(*begin, *end)))
    return {
        "description": {"text": fix.title if fix.safe else f"{fix.title} (unsafe)"},
        "artifactChanges": [
            {"artifactLocation": _artifact(path), "replacements": replacements},
        ],
        "properties": {"safe": fix.safe},
    }


def _replacement(edit: Edit, region: Region) -> dict[str, Any]:
    return {"deletedRegion": _region(region), "insertedContent": {"text": edit.content}}


# -- places --------------------------------------------------------------------------------------


def _place(at: Location, report: Report) -> dict[str, Any]:
    place = _location(at.path, region_of(at, report.sources))
    return place | _cell(at.cell, at.line) if at.cell else place


def _location(path: str, region: Region | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(path)}
    if region is not None:
        physical["region"] = _region(region)
    return {"physicalLocation": physical}


def _cell(cell: int, line: int) -> dict[str, Any]:
    """A notebook's own way to say where something stands."""
    name = f"cell {cell}"
    return {"logicalLocations": [{"name": name, "fullyQualifiedName": f"{name}, line {line}"}]}


def _region(region: Region) -> dict[str, int]:
    made = {"startLine": region.line, "endLine": region.end_line}
    if region.column:
        made["startColumn"] = region.column
    if region.end_column:
        made["endColumn"] = region.end_column
    return made


def _artifact(path: str) -> dict[str, str]:
    shown = from_root(path)
    if PurePath(shown).is_absolute():
        return {"uri": _uri(PurePath(shown).as_posix())}
    return {"uri": _quoted(shown), "uriBaseId": _BASE}


def _folder_uri(folder: str) -> str:
    return _uri(PurePath(os.path.abspath(folder)).as_posix().rstrip("/") + "/")


def _uri(path: str) -> str:
    return f"file://{'' if path.startswith('/') else '/'}{_quoted(path)}"


def _quoted(path: str) -> str:
    """A path as part of a URI: also names that are not text in any encoding."""
    return quote(os.fsencode(path), safe="/")
