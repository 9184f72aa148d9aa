"""Findings as GitLab's code quality report."""

from __future__ import annotations

import hashlib
from typing import Any

from trainlint.finding import Finding, Severity
from trainlint.fingerprint import fingerprints
from trainlint.lint.problem import Problem
from trainlint.reporters.places import Region, from_root, region_of, region_of_problem
from trainlint.reporters.report import Report

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "minor"}


def to_gitlab(report: Report) -> list[dict[str, Any]]:
    """The whole report: one object a finding, then one for each thing that was not checked."""
    prints = fingerprints(report.findings, report.sources)
    found = [
        _of_finding(finding, mark, region_of(finding.location, report.sources))
        for finding, mark in zip(report.findings, prints, strict=True)
    ]
    return found + [_of_problem(problem) for problem in report.problems]


def _of_finding(finding: Finding, fingerprint: str, region: Region) -> dict[str, Any]:
    text = f"{finding.code} [{finding.name}] {finding.message}"
    if finding.location.cell:
        text += f" (cell {finding.location.cell}, line {finding.location.line})"
    severity = _SEVERITIES[finding.severity]
    return _issue(text, finding.code, fingerprint, severity, finding.location.path, region)


def _of_problem(problem: Problem) -> dict[str, Any]:
    region = region_of_problem(problem) or Region(1, 0, 1, 0)
    words = "\0".join(("problem", from_root(problem.path), problem.message))
    mark = hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()
    cell = f" (cell {problem.cell}, line {problem.line})" if problem.cell else ""
    text = f"could not be checked: {problem.message}{cell}"
    return _issue(text, "not-checked", mark, "blocker", problem.path, region)


def _issue(
    text: str, name: str, fingerprint: str, severity: str, path: str, region: Region
) -> dict[str, Any]:
    return {
        "description": text,
        "check_name": name,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {
            "path": from_root(path),
            "lines": {"begin": region.line, "end": region.end_line},
        },
    }
