"""All that is told of a watched run, and the ways to tell it: text, JSON, a page, a log."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainlint.atomic import write_atomically
from trainlint.commands.check import exit_code, wants_color
from trainlint.finding import Finding, Verdict
from trainlint.lint.problem import Problem
from trainlint.lint.source import Source
from trainlint.reporters import HUMAN
from trainlint.reporters.formats import render
from trainlint.reporters.output import Rendered, publish
from trainlint.reporters.report import Report
from trainlint.reporters.text import render_concise, render_text, summary_line
from trainlint.runtime_checks.board import BoardError, write_board
from trainlint.runtime_checks.detection import Judgement
from trainlint.runtime_checks.export import to_json as run_to_json
from trainlint.runtime_checks.report import render_report
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.sparkline import ASCII, BLOCKS

INTERRUPTED = 130


@dataclass(frozen=True)
class Told:
    """One run, what was found, and the trials beside it; `records` are their files, by name."""

    run: Run
    judgement: Judgement
    findings: Sequence[Finding]
    problems: Sequence[Problem]
    sources: Mapping[str, Source]
    records: Sequence[tuple[str, Path]]
    command: str
    trials: Sequence[tuple[str, Run]] = ()
    not_run: Sequence[tuple[str, str]] = ()
    interrupted: bool = False
    files: int = 1

    def with_problems(self, problems: Sequence[Problem]) -> Told:
        """The same, with more that went wrong."""
        return replace(self, problems=[*self.problems, *problems])

    @property
    def last_line(self) -> str:
        """The summary; "all clear" is said of training that was seen, and to its end."""
        if not self.findings and not self.problems:
            if self.interrupted:
                return "Interrupted; nothing found until then."
            if not self.judgement.reached:
                return "Nothing was seen of its training."
            if self.judgement.too_few:
                return f"{self.judgement.too_few[:1].upper()}{self.judgement.too_few[1:]}."
        return summary_line(self.findings, self.problems, 1)

    @property
    def exit_code(self) -> int:
        """As `run` documents it."""
        if self.interrupted:
            return INTERRUPTED
        # Only what the run itself found makes up for training that was never seen.
        reached = self.judgement.reached
        told = [one for one in self.findings if reached or _is_of_run(one)]
        silent = not (told or self.judgement.is_telling)
        return exit_code(bool(self.findings), bool(self.problems) or silent)


def _is_of_run(finding: Finding) -> bool:
    return finding.code.startswith("RUN") or finding.verdict is Verdict.CONFIRMED


def tell(
    told: Told,
    output_format: str,
    output_file: str | None,
    *,
    html: str | None = None,
    log_dir: Path | None = None,
) -> int:
    """Write everything that was asked for; the exit code."""
    told = told.with_problems([*_write_log(told, log_dir), *_write_page(told, html)])
    color = wants_color(output_file)
    publish(_rendered(told, output_format, color), told.problems, output_file, color=color)
    return told.exit_code


def _rendered(told: Told, output_format: str, color: bool) -> Rendered:
    if output_format in HUMAN:
        text = _text(told, output_format == "concise", color)
        return Rendered(text, f"\n{told.last_line}\n", human=True)
    run = run_to_json(told.run, told.judgement, told.trials, told.not_run)
    report = Report(told.findings, told.problems, told.sources, told.files, run)
    return Rendered(render(report, output_format))


def _text(told: Told, concise: bool, color: bool) -> str:
    if concise:
        findings = render_concise(told.findings)
    else:
        findings = render_text(told.findings, told.sources, color=color)
    report = render_report(
        told.run,
        told.judgement,
        findings,
        told.trials,
        told.not_run,
        brief=concise,
        color=color,
        blocks=BLOCKS if _can_show(BLOCKS) else ASCII,
    )
    return f"\n{report}"


def _can_show(text: str) -> bool:
    """Whether standard output has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (AttributeError, LookupError, UnicodeEncodeError):
        return False
    return True


def _write_log(told: Told, log_dir: Path | None) -> list[Problem]:
    if log_dir is None:
        return []
    (_, plain), *trials = told.records
    try:
        write_board(plain, log_dir, told.findings, trials)
    except BoardError as error:
        return [Problem(str(log_dir), str(error))]
    return []


def _write_page(told: Told, path: str | None) -> list[Problem]:
    if path is None:
        return []
    from trainlint.reporters.html.page import render_page

    try:
        page = render_page(
            told.run,
            told.judgement,
            told.findings,
            told.sources,
            verdict=told.last_line,
            command=told.command,
            problems=told.problems,
            trials=told.trials,
            not_run=told.not_run,
        )
        write_atomically(path, page.encode())
    except ImportError as error:
        hint = "pip install 'torch-trainlint[run]'"
        return [Problem(path, f"the page was not written: {error}", hint=hint)]
    except OSError as error:
        return [Problem(path, f"the page was not written: {error.strerror or error}")]
    return []
