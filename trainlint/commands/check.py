"""`trainlint check`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import click

from trainlint.commands.settings import SettingsError, load_settings
from trainlint.lint.engine import check_paths
from trainlint.registry import RULES, load
from trainlint.reporters.json import to_json
from trainlint.reporters.text import render_concise, render_problem, render_text, summary_line
from trainlint.suppress import suppress


def check_command(
    paths: Sequence[str],
    *,
    select: Sequence[str],
    ignore: Sequence[str],
    exclude: Sequence[str],
    config: str | None,
    output_format: str,
) -> int:
    """Check, report, and say how it ended as an exit code."""
    settings = load_settings(paths[0], config, select, ignore, exclude)
    if not any(entry in settings.selection for entry in load(RULES)):
        raise SettingsError(
            "error: none of these codes is a rule of `check`\n"
            "  help: RUN codes are of detectors, which `trainlint run` asks"
        )
    checked = check_paths(paths, settings.selection, settings.exclude, settings.target_torch)
    findings = [finding for finding in checked.findings if settings.wanted(finding)]
    findings = suppress(findings, checked.sources)
    if output_format == "json":
        click.echo(json.dumps(to_json(findings, checked.problems), indent=2, ensure_ascii=False))
    else:
        color = wants_color()
        text = (
            render_concise(findings)
            if output_format == "concise"
            else render_text(findings, checked.sources, color=color)
        )
        click.echo(text, nl=False, color=color)
        for problem in checked.problems:
            click.echo(render_problem(problem), err=True)
        click.echo(summary_line(findings, checked.problems, checked.files))
    return exit_code(bool(findings), bool(checked.problems))


def exit_code(findings: bool, problems: bool) -> int:
    """2 where something could not be checked, else 1 for findings."""
    return 2 if problems else int(findings)


def wants_color() -> bool:
    """Colours on a terminal only, and not where NO_COLOR asks for none (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
