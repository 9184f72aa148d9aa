"""Findings as JUnit XML: a suite a file, a failed case a finding, an error a problem."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.problem import Problem
from trainlint.reporters.places import from_root, region_of, region_of_problem
from trainlint.reporters.report import Report
from trainlint.reporters.text import render_text

# What XML 1.0 cannot hold, however it is written.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report) -> str:
    """The whole document; where all is well, one case that passed says that it was looked."""
    suites: dict[str, ET.Element] = {}
    for path, case in _cases(report):
        name = from_root(path)
        if name not in suites:
            suites[name] = ET.Element("testsuite", {"name": _clean(name)})
        suites[name].append(case)
    if not suites:
        suites["trainlint"] = ET.Element("testsuite", {"name": "trainlint"})
        looked = {"name": f"files checked: {report.files}", "classname": "trainlint"}
        ET.SubElement(suites["trainlint"], "testcase", looked)
    whole = ET.Element("testsuites", {"name": "trainlint"})
    whole.extend(suites[name] for name in sorted(suites))
    for element in (*suites.values(), whole):
        element.attrib.update(_counts(element))
    ET.indent(whole)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(whole, encoding="unicode")}\n'


def _counts(element: ET.Element) -> dict[str, str]:
    names = {"tests": "testcase", "failures": "failure", "errors": "error"}
    return {key: str(sum(1 for _ in element.iter(name))) for key, name in names.items()}


def _cases(report: Report) -> Iterator[tuple[str, ET.Element]]:
    for finding in report.findings:
        yield finding.location.path, _of_finding(finding, report)
    for problem in report.problems:
        yield problem.path, _of_problem(problem)


def _of_finding(finding: Finding, report: Report) -> ET.Element:
    at = finding.location
    cell = f"cell {at.cell}:" if at.cell else ""
    name = f"{finding.code} [{finding.name}] {cell}{at.line}:{at.column}"
    case = _case(name, at.path, region_of(at, report.sources).line)
    kind = {"type": finding.code, "message": _clean(finding.message)}
    failure = ET.SubElement(case, "failure", kind)
    failure.text = _clean(render_text([finding], report.sources).strip())
    return case


def _of_problem(problem: Problem) -> ET.Element:
    region = region_of_problem(problem)
    case = _case("could not be checked", problem.path, region.line if region else None)
    error = ET.SubElement(
        case, "error", {"type": "not-checked", "message": _clean(problem.message)}
    )
    error.text = _clean(f"{problem}\n{problem.hint or ''}".strip())
    return case


def _case(name: str, path: str, line: int | None) -> ET.Element:
    shown = _clean(from_root(path))
    case = ET.Element("testcase", {"name": _clean(name), "classname": shown, "file": shown})
    if line is not None:
        case.set("line", str(line))
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
