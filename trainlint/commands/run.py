"""`trainlint run`."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainlint.commands.check import exit_code, wants_color
from trainlint.commands.observing import Observed, Observer
from trainlint.commands.settings import SettingsError, load_settings
from trainlint.finding import Finding, Verdict
from trainlint.lint.engine import Checked, check_paths
from trainlint.lint.files import read_source
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.source import Source
from trainlint.pairing import pair
from trainlint.reporters import HUMAN
from trainlint.reporters.formats import render
from trainlint.reporters.output import STDOUT, Rendered, prepare, publish
from trainlint.reporters.report import Report
from trainlint.reporters.text import render_concise, render_text, summary_line
from trainlint.runtime_checks.board import BoardError, write_board
from trainlint.runtime_checks.detection import Judgement, Thresholds, judge
from trainlint.runtime_checks.export import to_json as run_to_json
from trainlint.runtime_checks.report import render_report
from trainlint.runtime_checks.runner import Options
from trainlint.runtime_checks.trials.trial import TrialError, parse_trial
from trainlint.suppress import suppress

INTERRUPTED = 130


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
    log_dir: Path | None,
    select: Sequence[str],
    ignore: Sequence[str],
    config: str | None,
    output_format: str,
    output_file: str | None = None,
    **more: Any,
) -> int:
    """Read the script, watch it run, join the two, report."""
    prepare(output_file, [script])
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
        )
        observed = observer.observe(trials)
        judgement = judge(observed.run, replace(Thresholds(), **settings.thresholds))
        sources = dict(checked.sources)
        joined = pair(checked.findings, judgement, observed.run, script)
        findings = _told(settings.apply(joined), sources)
        problems = [*checked.problems, *_log(log_dir, observed, findings)]
    judgement = replace(judgement, findings=tuple(f for f in findings if f.code[:3] == "RUN"))
    color = wants_color(output_file)
    if output_format in HUMAN:
        text = _report(observed, judgement, findings, sources, output_format == "concise", color)
        last = "\n" + _last_line(observed, judgement, findings, problems) + "\n"
        rendered = Rendered(text, last, human=True)
    else:
        run = run_to_json(observed.run, judgement, observed.trials, observed.not_run)
        rendered = Rendered(
            render(Report(findings, problems, sources, checked.files, run), output_format)
        )
    publish(rendered, problems, output_file, color=color)
    return _exit_code(observed, judgement, findings, problems)


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


def _log(log_dir: Path | None, observed: Observed, findings: Sequence[Finding]) -> list[Problem]:
    if log_dir is None:
        return []
    (_, plain), *trials = observed.records
    try:
        write_board(plain, log_dir, findings, trials)
    except BoardError as error:
        return [Problem(str(log_dir), str(error))]
    return []


def _report(
    observed: Observed,
    judgement: Judgement,
    findings: Sequence[Finding],
    sources: dict[str, Source],
    concise: bool,
    color: bool,
) -> str:
    text = render_concise(findings) if concise else render_text(findings, sources, color=color)
    report = render_report(
        observed.run,
        judgement,
        text,
        observed.trials,
        observed.not_run,
        brief=concise,
        color=color,
    )
    return "\n" + report


def _last_line(
    observed: Observed,
    judgement: Judgement,
    findings: Sequence[Finding],
    problems: Sequence[Problem],
) -> str:
    """The summary; "all clear" is said of training that was seen, and to its end."""
    if not findings and not problems:
        if observed.interrupted:
            return "Interrupted; nothing found until then."
        if not judgement.reached:
            return "Nothing was seen of its training."
        if judgement.too_few:
            return f"{judgement.too_few[:1].upper()}{judgement.too_few[1:]}."
    return summary_line(findings, problems, 1)


def _exit_code(
    observed: Observed,
    judgement: Judgement,
    findings: Sequence[Finding],
    problems: Sequence[Problem],
) -> int:
    if observed.interrupted:
        return INTERRUPTED
    # Only what the run itself found makes up for training that was never seen.
    told = findings if judgement.reached else [one for one in findings if _is_of_run(one)]
    return exit_code(bool(findings), bool(problems) or not (told or judgement.is_telling))


def _is_of_run(finding: Finding) -> bool:
    return finding.code.startswith("RUN") or finding.verdict is Verdict.CONFIRMED
