"""`trainlint run`."""

from __future__ import annotations

import shlex
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainlint.commands.check import exit_code, wants_color
from trainlint.commands.observing import Observer
from trainlint.commands.saving import save
from trainlint.commands.settings import SettingsError, load_settings
from trainlint.commands.told import Told, tell
from trainlint.finding import Finding
from trainlint.lint.engine import Checked, check_paths
from trainlint.lint.files import read_source
from trainlint.lint.problem import Unreadable
from trainlint.lint.source import Source
from trainlint.pairing import pair
from trainlint.reporters import HUMAN
from trainlint.reporters.formats import render
from trainlint.reporters.output import STDOUT, Rendered, prepare, publish
from trainlint.reporters.report import Report
from trainlint.reporters.text import summary_line
from trainlint.runtime_checks.detection import Thresholds, judge
from trainlint.runtime_checks.runner import Options
from trainlint.runtime_checks.trials.trial import TrialError, parse_trial
from trainlint.suppress import suppress


def run_command(
    script: str,
    arguments: Sequence[str],
    *,
    max_steps: int,
    max_seconds: float,
    device: str | None,
    trials: Sequence[str],
    whole_passes: bool,
    second_pass: bool,
    try_: bool,
    log_dir: Path | None,
    html: str | None,
    save_to: Path | None,
    select: Sequence[str],
    ignore: Sequence[str],
    config: str | None,
    output_format: str,
    output_file: str | None = None,
    **more: Any,
) -> int:
    """Read the script, watch it run, join the two, report."""
    prepare(output_file, [script])
    if html is not None:
        prepare(html, [script])
    settings = load_settings(script, config, select, ignore, **more)
    _refuse_what_cannot_run(script)
    for trial in trials:
        _parse_or_refuse(trial)
    checked = check_paths([script], settings.selection, (), settings.target_torch, scopes=settings)
    if checked.problems and _is_broken(script):
        return _tell_broken(checked, output_format, output_file)
    options = Options(max_steps, max_seconds, device, whole_passes=whole_passes)
    with tempfile.TemporaryDirectory(prefix="trainlint-") as folder:
        observer = Observer(
            script,
            arguments,
            options,
            Path(folder),
            _takes_stdout(output_format, output_file),
            second_pass,
            try_,
        )
        observed = observer.observe(trials)
        judgement = judge(observed.run, replace(Thresholds(), **settings.thresholds))
        sources = dict(checked.sources)
        joined = pair(checked.findings, judgement, observed.run, script)
        findings = _told(settings.apply(joined), sources)
        shown = tuple(finding for finding in findings if finding.code.startswith("RUN"))
        told = Told(
            observed.run,
            replace(judgement, findings=shown),
            findings,
            checked.problems,
            sources,
            observed.records,
            f"trainlint {shlex.join(sys.argv[1:])}",
            observed.trials,
            observed.not_run,
            observed.interrupted,
            checked.files,
        )
        if save_to is not None:
            told = told.with_problems(save(told, save_to, settings.thresholds))
        return tell(told, output_format, output_file, html=html, log_dir=log_dir)


def _takes_stdout(output_format: str, output_file: str | None) -> bool:
    """Whether standard output is a program's, so that the script's own goes elsewhere."""
    return output_format not in HUMAN and output_file in (None, STDOUT)


def _refuse_what_cannot_run(script: str) -> None:
    path = Path(script)
    if not path.exists():
        raise _refusal(f"{script}: no such file")
    if path.is_dir():
        raise _refusal(f"{script}: is a folder", "name the script that trains")
    if path.suffix in (".ipynb", ".md", ".rst", ".txt"):
        raise _refusal(
            f"{script}: only Python scripts can be run",
            "`trainlint check` reads documents and notebooks; in a notebook, use trainlint.watch",
        )


def _is_broken(script: str) -> bool:
    """Whether Python itself cannot compile it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(Path(script).read_bytes(), script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return True
    return False


def _tell_broken(checked: Checked, output_format: str, output_file: str | None) -> int:
    """What `check` says of a script that cannot be compiled; running it could only repeat it."""
    report = Report([], checked.problems, dict(checked.sources), checked.files)
    if output_format in HUMAN:
        rendered = Rendered("", summary_line([], checked.problems, 1) + "\n", human=True)
    else:
        rendered = Rendered(render(report, output_format))
    publish(rendered, checked.problems, output_file, color=wants_color(output_file))
    return exit_code(False, True)


def _parse_or_refuse(trial: str) -> None:
    try:
        parse_trial(trial)
    except TrialError as error:
        raise _refusal(f"--trial {trial}: {error}") from None


def _refusal(message: str, hint: str | None = None) -> SettingsError:
    return SettingsError(f"error: {message}" + (f"\n  help: {hint}" if hint else ""))


def _told(findings: Sequence[Finding], sources: dict[str, Source]) -> list[Finding]:
    """The findings that no comment excuses; their files are added to `sources`."""
    for path in {finding.location.path for finding in findings} - sources.keys():
        try:
            sources[path] = read_source(path)
        except Unreadable:
            continue  # the finding is shown without its line
    return suppress(findings, sources)
