"""`trainlint check --show-files` and `--show-settings`: what a check would read, and ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from trainlint.commands.configuration import config_lines
from trainlint.commands.settings import Settings, load_settings
from trainlint.lint.files import STDIN, discover, shown_path
from trainlint.lint.problem import Problem
from trainlint.registry import RULES, load
from trainlint.reporters.text import render_problem

# What the settings are made of; the other options of a check change nothing of them.
_SETTINGS = ("extend_select", "force_exclude", "target_torch", "time_limit", "isolated")


def show_command(paths: Sequence[str], files: bool, settings: bool, **options: Any) -> int:
    """List the files of a check, or the settings of the first path; checks nothing."""
    name = options["stdin_filename"]
    start = name if name and paths[0] == STDIN else paths[0]
    more = {key: options[key] for key in _SETTINGS}
    asked = [options[key] for key in ("config", "select", "ignore", "exclude")]
    found = load_settings(start, *asked, **more)
    if settings:
        click.echo("\n".join(_settings(found)))
    return _list_files(paths, found, name) if files else 0


def _list_files(paths: Sequence[str], settings: Settings, stdin_filename: str | None) -> int:
    status = 0
    for path in discover(paths, settings.exclude, settings):
        if isinstance(path, Problem):
            click.echo(render_problem(path), err=True)
            status = 2
        else:
            click.echo(shown_path(path, stdin_filename))
    return status


def _settings(settings: Settings) -> list[str]:
    """The settings of the file with those of the command line, and the rules that they come to."""
    selection, scope = settings.selection, settings.scope(settings.start)
    config = replace(
        settings.config,
        select=selection.select,
        extend_select=(*selection.extend, *selection.added),
        ignore=(*selection.ignore, *selection.dropped),
        exclude=(*settings.config.exclude, *settings.exclude),
        force_exclude=settings.forces(settings.start),
        target_torch=scope.target_torch,
        time_limit=scope.time_limit,
    )
    rules = [entry.code for entry in load(RULES) if settings.asks(settings.start, entry.code)]
    return [*config_lines(config), "", f"# rules: {', '.join(rules)}"]
