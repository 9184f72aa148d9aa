"""`trainlint check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trainlint.cache.folder import FOLDER
from trainlint.cache.store import open_cache
from trainlint.commands.fix import FixOptions, Outcome, look_and_fix, render_diff
from trainlint.commands.ignoring import ignored_line
from trainlint.commands.manner import PLAINLY, Manner
from trainlint.commands.settings import Settings, SettingsError, load_settings
from trainlint.finding import Finding
from trainlint.lint.engine import Checked, Means, check_paths
from trainlint.lint.files import NOTHING_UNWRITTEN, STDIN, Unwritten, shown_path
from trainlint.reporters import HUMAN
from trainlint.reporters.formats import render, render_json
from trainlint.reporters.output import LOST, STDOUT, Rendered, prepare, publish, would_lose
from trainlint.reporters.report import Report
from trainlint.reporters.statistics import render_statistics, statistics_to_json, tallies
from trainlint.reporters.streams import is_closed
from trainlint.reporters.text import fixable_line, render_concise, render_text, summary_line

if TYPE_CHECKING:
    from trainlint.commands.narrowing import Narrowing
    from trainlint.fixing import Look


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
    fix: bool = False,
    unsafe_fixes: bool = False,
    diff: bool = False,
    add_ignore: bool = False,
    manner: Manner = PLAINLY,
    jobs: int = 0,
    no_cache: bool = False,
    cache_dir: str = FOLDER,
    **more: Any,
) -> int:
    """Check, report, and say how it ended as an exit code; `more` are further settings."""
    if statistics:
        _refuse_statistics_as(output_format)
    fix = fix or manner.fix_only
    if fix and add_ignore:
        raise SettingsError("error: --fix mends what --add-ignore excuses: ask for one of the two")
    prepare(output_file, paths)
    start = stdin_filename if stdin_filename and paths[0] == STDIN else paths[0]
    cache = None if no_cache else open_cache(cache_dir)
    known = () if cache is None else cache.rules
    settings = load_settings(start, config, select, ignore, exclude, entries=known, **more)
    _refuse_detectors_alone(settings)
    means = Means(settings.rules, cache, jobs)
    narrow = _narrowing(paths, settings, baseline, since)
    if write_baseline is not None:
        asked_too = {"--fix": fix, "--diff": diff, "--since": since is not None}
        _refuse_beside_baseline({**asked_too, "--add-ignore": add_ignore})
        return _save_baseline(write_baseline, paths, _Looker(settings, stdin_filename, means, None))
    look = _Looker(settings, stdin_filename, means, narrow)
    fixes = FixOptions(fix, unsafe_fixes, diff, add_ignore)
    outcome = look_and_fix(paths, look, fixes, shown_path(STDIN, stdin_filename))
    if narrow is not None and not (manner.quiet or manner.silent):
        narrow.tell_stale(look.found, outcome.checked)
    if cache is not None:
        cache.save()
    report = manner.told(outcome.report(unsafe_fixes))
    color = wants_color(output_file)
    if statistics:
        rendered = _statistics(report, output_format)
    else:
        rendered = _findings(report, output_format, color=color)
    rendered = manner.worded(_with_changes(rendered, outcome, fixes), outcome)
    publish(rendered, report.problems, output_file, color=color, piped=outcome.piped)
    return manner.exit_code(outcome, bool(report.problems), diff=diff)


def _refuse_detectors_alone(settings: Settings) -> None:
    asked = replace(settings.selection, ignore=(), dropped=())
    if not any(entry in asked for entry in settings.rules):
        raise SettingsError(
            "error: none of these codes is a rule of `check`\n"
            "  help: RUN codes are of detectors, which `trainlint run` asks"
        )


def _refuse_beside_baseline(asked: Mapping[str, bool]) -> None:
    for option in (name for name, is_asked in asked.items() if is_asked):
        raise SettingsError(
            f"error: --write-baseline takes in all that is found, as it stands; {option} asks for"
            " something else\n  help: leave one of the two out"
        )


def _narrowing(
    paths: Sequence[str], settings: Settings, baseline: str | None, since: str | None
) -> Narrowing | None:
    if baseline is None and since is None:
        return None
    from trainlint.commands.narrowing import narrowing

    return narrowing(paths, settings, baseline, since)


def _save_baseline(file: str, paths: Sequence[str], look: Look) -> int:
    from trainlint.commands.narrowing import save_baseline

    if would_lose(file, paths):
        raise SettingsError(f"error: --write-baseline {file}: {LOST}")
    checked, findings = look(paths, NOTHING_UNWRITTEN)
    save_baseline(file, findings, checked)
    return exit_code(False, bool(checked.problems))


@dataclass
class _Looker:
    """Checks paths and picks the findings that are reported, and so may be fixed."""

    settings: Settings
    stdin_filename: str | None
    means: Means
    narrow: Narrowing | None
    found: list[Finding] = field(default_factory=list)  # by the last look, before it is narrowed

    def __call__(self, paths: Sequence[str], unwritten: Unwritten) -> tuple[Checked, list[Finding]]:
        asked = self.settings
        checked = check_paths(
            paths,
            asked.selection,
            asked.exclude,
            asked.target_torch,
            self.stdin_filename,
            asked,
            unwritten,
            self.means,
        )
        self.found = asked.judged(checked)
        narrow = self.narrow
        return checked, self.found if narrow is None else narrow.keep(self.found, checked)


def exit_code(findings: bool, problems: bool) -> int:
    """2 where something could not be checked, else 1 for findings."""
    return 2 if problems else int(findings)


def wants_color(output_file: str | None = None) -> bool:
    """Colours on a terminal only, and not where NO_COLOR asks for none (no-color.org)."""
    if output_file not in (None, STDOUT):
        return False
    return not is_closed() and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _with_changes(rendered: Rendered, outcome: Outcome, fixes: FixOptions) -> Rendered:
    """The changes in the place of the report, or what was written besides what is told of it."""
    if fixes.diff:
        return render_diff(outcome, fixes)
    if fixes.add_ignore and outcome.fixing is not None:
        last = ignored_line(outcome.fixing, outcome.findings, diff=False)
        return replace(rendered, last=last, last_beside=not rendered.human)
    return rendered


def _findings(report: Report, output_format: str, *, color: bool) -> Rendered:
    """The findings, in the format asked for."""
    if output_format not in HUMAN:
        return Rendered(render(report, output_format))
    if output_format == "concise":
        body = render_concise(report.findings, unsafe=report.unsafe)
    else:
        body = render_text(report.findings, report.sources, color=color, unsafe=report.unsafe)
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
    summary = summary_line(report.findings, report.problems, report.files, report.fixed)
    return f"{summary}\n{fixable_line(report.findings, report.unsafe)}"
