"""Findings as commands of GitHub Actions, which shows them beside the changed lines."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.problem import Problem
from trainlint.reporters.places import Region, from_root, region_of, region_of_problem
from trainlint.reporters.report import Report

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render_github(report: Report) -> str:
    """One command a line: findings, then what could not be checked."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for finding in report.findings:
        yield _of_finding(finding, region_of(finding.location, report.sources))
    for problem in report.problems:
        yield _of_problem(problem)


def _of_finding(finding: Finding, region: Region) -> str:
    title = f"trainlint ({finding.code})"
    text = f"{finding.location}: {finding.code} [{finding.name}] {finding.message}"
    if finding.verdict is not None:
        text += f" ({finding.verdict.value})"
    if finding.hint:
        text += f"\nhelp: {finding.hint}"
    return _command(_COMMANDS[finding.severity], title, finding.location.path, region, text)


def _of_problem(problem: Problem) -> str:
    text = f"{problem}\nhelp: {problem.hint}" if problem.hint else str(problem)
    return _command("error", "trainlint", problem.path, region_of_problem(problem), text)


def _command(command: str, title: str, path: str, region: Region | None, text: str) -> str:
    properties: dict[str, str | int] = {"title": title, "file": from_root(path)}
    if region is not None:
        properties |= _place(region)
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{command} {listed}::{_data(text)}"


def _place(region: Region) -> dict[str, str | int]:
    """Columns may be named only where begin and end are on one line."""
    place: dict[str, str | int] = {"line": region.line, "endLine": region.end_line}
    if region.column and region.line == region.end_line:
        place["col"] = region.column
        if region.end_column:
            place["endColumn"] = region.end_column
    return place


def _data(text: str) -> str:
    """The text of a command: it ends with the line, so line ends are written in another way."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The value of a property, which a colon or a comma would end."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
