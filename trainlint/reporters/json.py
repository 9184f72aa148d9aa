"""Findings for programs: one JSON object, or one a line, described in docs/json.md."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from enum import Enum
from typing import Any

from trainlint._version import __version__
from trainlint.finding import (
    Edit,
    Evidence,
    Finding,
    Fix,
    Location,
    Related,
    Severity,
    Verdict,
)
from trainlint.lint.problem import Problem
from trainlint.reporters.report import Report

FORMAT = 1


def to_json(
    findings: Iterable[Finding], problems: Iterable[Problem], run: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The whole output; `run` is there only where a script was run."""
    result: dict[str, Any] = {
        "format": FORMAT,
        "tool": {"name": "trainlint", "version": __version__},
        "findings": [plain(finding) for finding in findings],
        "problems": [plain(problem) for problem in problems],
    }
    if run is not None:
        result["run"] = run
    return result


def json_lines(report: Report) -> str:
    """The same a line at a time; `type` tells what each describes, and the last one ends it."""
    lines: list[dict[str, Any]] = [{"type": "finding", **plain(one)} for one in report.findings]
    lines += [{"type": "problem", **plain(one)} for one in report.problems]
    if report.run is not None:
        lines.append({"type": "run", **report.run})
    lines.append({
        "type": "summary",
        "format": FORMAT,
        "tool": {"name": "trainlint", "version": __version__},
        "files": report.files,
        "findings": len(report.findings),
        "problems": len(report.problems),
    })  # fmt: skip
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def finding_from_json(data: dict[str, Any]) -> Finding:
    """The finding that an object of `findings` describes."""
    fix, verdict = data["fix"], data["verdict"]
    return Finding(
        code=data["code"],
        name=data["name"],
        message=data["message"],
        severity=Severity(data["severity"]),
        location=Location(**data["location"]),
        related=tuple(
            Related(Location(**one["location"]), one["label"]) for one in data["related"]
        ),
        hint=data["hint"],
        fix=None
        if fix is None
        else Fix(fix["title"], tuple(Edit(**edit) for edit in fix["edits"]), fix["safe"]),
        evidence=tuple(Evidence(**one) for one in data["evidence"]),
        verdict=None if verdict is None else Verdict(verdict),
    )


def plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as what JSON has; non-finite numbers as strings."""
    if dataclasses.is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
