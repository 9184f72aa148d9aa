"""A report in each format."""

from __future__ import annotations

import json
from typing import Any

from trainlint.reporters.report import Report


def render(report: Report, output_format: str) -> str:
    """The report for programs, in one of the formats of `FORMATS` that are not for people."""
    if output_format == "json":
        from trainlint.reporters.json import to_json

        return render_json(to_json(report.findings, report.problems, _run(report)))
    if output_format == "jsonl":
        from trainlint.reporters.json import json_lines

        return json_lines(report)
    if output_format == "sarif":
        from trainlint.reporters.sarif import to_sarif

        return render_json(to_sarif(report))
    return _for_ci(report, output_format)


def _for_ci(report: Report, output_format: str) -> str:
    if output_format == "github":
        from trainlint.reporters.github import render_github

        return render_github(report)
    if output_format == "gitlab":
        from trainlint.reporters.gitlab import to_gitlab

        return render_json(to_gitlab(report))
    if output_format == "junit":
        from trainlint.reporters.junit import render_junit

        return render_junit(report)
    raise ValueError(f"no format is called {output_format!r}")


def _run(report: Report) -> dict[str, Any] | None:
    return None if report.run is None else dict(report.run)


def render_json(value: object) -> str:
    """Plain scalars as JSON, on lines of their own."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
