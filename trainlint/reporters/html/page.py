"""Fills the page: verdict, findings with their lines, charts, trials, detectors, surroundings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint._version import __version__
from trainlint.finding import Finding, Location, Severity
from trainlint.lint.problem import Problem
from trainlint.lint.source import Source
from trainlint.reporters.html.charts import make_charts
from trainlint.runtime_checks.clipping import clip_summary
from trainlint.runtime_checks.detection import Judgement, State
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count
from trainlint.runtime_checks.table import trial_rows

AROUND = 3  # lines of source before and after a finding's
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True)
class Line:
    """A line of source beside its number; `marked` if the finding stands there."""

    number: int
    text: str
    marked: bool


def render_page(
    run: Run,
    judgement: Judgement,
    findings: Sequence[Finding],
    sources: Mapping[str, Source],
    *,
    verdict: str,
    command: str,
    problems: Sequence[Problem] = (),
    trials: Sequence[tuple[str, Run]] = (),
    not_run: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole page; raises ImportError where what draws it is not installed."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainlint.reporters.html", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    charts = make_charts(run, findings, trials)
    ordered = sorted(findings, key=lambda one: (_ORDER[one.severity], one.sort_key))
    return environment.get_template("page.html").render(
        title=_title(run),
        verdict=verdict,
        tone=_tone(findings, judgement),
        outcome=outcome_line(run),
        notes=[*run.notes, *judgement.remarks],
        problems=[str(problem) for problem in problems],
        findings=[_finding(finding, sources) for finding in ordered],
        charts=charts,
        figures=_as_script([chart.figure for chart in charts]),
        plotly=get_plotlyjs() if charts else "",
        clipping=clip_summary(run).sentence() if run.steps else "",
        trials=trial_rows(run, trials, not_run) if trials or not_run else [],
        detectors=_detectors(judgement),
        surroundings=_surroundings(run, command),
    )


def _title(run: Run) -> str:
    return run.start.script.replace("\\", "/").rpartition("/")[2] if run.start else "a run"


def _tone(findings: Sequence[Finding], judgement: Judgement) -> str:
    if any(finding.severity is Severity.ERROR for finding in findings):
        return "error"
    if findings:
        return "warning"
    return "good" if judgement.is_telling else "unknown"


def _finding(finding: Finding, sources: Mapping[str, Source]) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "verdict": finding.verdict.value if finding.verdict else "",
        "message": finding.message,
        "hint": finding.hint or "",
        "place": str(finding.location),
        "lines": excerpt(finding.location, sources, AROUND),
        "related": [
            {"label": one.label, "place": str(one.location),
             "lines": excerpt(one.location, sources, 0)}
            for one in finding.related
        ],
        "evidence": finding.evidence,
    }  # fmt: skip


def excerpt(at: Location, sources: Mapping[str, Source], around: int) -> list[Line]:
    """The lines about a place; none where its file is not known, or is a notebook."""
    source = sources.get(at.path)
    if source is None or at.cell:
        return []
    last = min(at.line + around, len(source.lines))
    return [
        Line(number, source.lines[number - 1].rstrip("\r\n"), number == at.line)
        for number in range(max(at.line - around, 1), last + 1)
    ]


def _detectors(judgement: Judgement) -> list[tuple[str, list[dict[str, str]]]]:
    """How each ended, by what it ended with."""
    shown = [outcome for outcome in judgement.outcomes if outcome.default]
    groups = []
    for state in State:
        rows = [
            {"code": one.code, "name": one.name, "reason": one.reason}
            for one in shown
            if one.state is state
        ]
        if rows:
            groups.append((f"{state.value}: {count(len(rows), 'detector')}", rows))
    return groups


def _surroundings(run: Run, command: str) -> list[tuple[str, str]]:
    start = run.start
    known = [("trainlint", __version__)]
    if start is not None:
        known += [
            ("torch", start.torch or "not imported"),
            ("Python", start.python),
            ("device", start.device or "not known"),
            ("script", start.script),
            ("bounds", f"{start.max_steps} steps, {start.max_seconds:g} s"),
        ]
    return [*known, ("run again with", command)]


def _as_script(value: Any) -> str:
    """JSON that can stand in a script element, whatever texts are in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
