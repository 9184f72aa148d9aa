"""`trainlint check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from trainlint.commands.narrowing import narrowing, save_baseline
from trainlint.commands.settings import SettingsError, load_settings
from trainlint.lint.engine import check_paths
from trainlint.lint.files import STDIN
from trainlint.registry import RULES, load
from trainlint.reporters import HUMAN
from trainlint.reporters.formats import render, render_json
from trainlint.reporters.output import STDOUT, Rendered, prepare, publish
from trainlint.reporters.report import Report
from trainlint.reporters.statistics import render_statistics, statistics_to_json, tallies
from trainlint.reporters.text import render_concise, render_text, summary_line


def check_command(
    paths: Sequence[str],
    *,
    select: Sequence[str],
    ignore: Sequence[str],
    exclude: Sequence[str],
    config: str | None,
    output_format: str,
    output_file: str | None = None,
    statistics: bool = False,
    stdin_filename: str | None = None,
    baseline: str | None = None,
    write_baseline: str | None = None,
    since: str | None = None,
    **more: Any,
) -> int:
    """Check, report, and say how it ended as an exit code; `more` are further settings."""
    if statistics:
        _refuse_statistics_as(output_format)
    prepare(output_file)
    start = stdin_filename if stdin_filename and paths[0] == STDIN else paths[0]
    settings = load_settings(start, config, select, ignore, exclude, **more)
    asked = replace(settings.selection, ignore=())
    if not any(entry in asked for entry in load(RULES)):
        raise SettingsError(
            "error: none of these codes is a rule of `check`\n"
            "  help: RUN codes are of detectors, which `trainlint run` asks"
        )
    narrow = narrowing(paths, settings, baseline, since)
    checked = check_paths(
        paths, settings.selection, settings.exclude, settings.target_torch, stdin_filename, settings
    )
    findings = settings.judged(checked)
    if write_baseline is not None:
        save_baseline(write_baseline, findings, checked)
        return exit_code(False, bool(checked.problems))
    narrow.tell_stale(findings, checked)
    findings = narrow.keep(findings, checked)
    report = Report(findings, checked.problems, checked.sources, checked.files)
    color = wants_color(output_file)
    if statistics:
        rendered = _statistics(report, output_format)
    else:
        rendered = _rendered(report, output_format, color=color)
    publish(rendered, checked.problems, output_file, color=color)
    return exit_code(bool(findings), bool(checked.problems))


def exit_code(findings: bool, problems: bool) -> int:
    """2 where something could not be checked, else 1 for findings."""
    return 2 if problems else int(findings)


def wants_color(output_file: str | None = None) -> bool:
    """Colours on a terminal only, and not where NO_COLOR asks for none (no-color.org)."""
    if output_file not in (None, STDOUT):
        return False
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _rendered(report: Report, output_format: str, *, color: bool) -> Rendered:
    """The findings, in the format asked for."""
    if output_format not in HUMAN:
        return Rendered(render(report, output_format))
    if output_format == "concise":
        body = render_concise(report.findings)
    else:
        body = render_text(report.findings, report.sources, color=color)
    return Rendered(body, _last_line(report), human=True)


def _statistics(report: Report, output_format: str) -> Rendered:
    """How often each code was found."""
    rows = tallies(report.findings)
    if output_format in HUMAN:
        return Rendered(render_statistics(rows), _last_line(report), human=True)
    return Rendered(render_json(statistics_to_json(rows, report.problems)))


def _refuse_statistics_as(output_format: str) -> None:
    if output_format not in (*HUMAN, "json"):
        raise SettingsError(
            f"error: --statistics has no {output_format} format\n  help: text, concise or json"
        )


def _last_line(report: Report) -> str:
    return summary_line(report.findings, report.problems, report.files) + "\n"
