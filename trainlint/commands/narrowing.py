"""`--baseline`, `--write-baseline` and `--since`: which of the findings are told."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import click

from trainlint.atomic import write_atomically
from trainlint.baseline import (
    Baseline,
    BaselineError,
    Kind,
    baseline_text,
    read_baseline,
    stale,
)
from trainlint.commands.settings import Settings, SettingsError
from trainlint.finding import Finding
from trainlint.lint.engine import Checked
from trainlint.reporters.text import count, render_problem
from trainlint.since import Changes, SinceError

_SHOWN = 10


@dataclass(frozen=True)
class Narrowing:
    """What narrows the findings of one call."""

    paths: Sequence[str]
    settings: Settings
    baseline: Baseline | None
    changes: Changes | None

    def keep(self, findings: Sequence[Finding], checked: Checked) -> list[Finding]:
        """The findings that are new, and on changed lines; raises SettingsError."""
        kept = list(findings)
        if self.baseline is not None:
            kept, _ = self.baseline.new(kept, checked.sources)
        if self.changes is not None:
            kept = [one for one in kept if self._changed(one, checked)]
        return kept

    def tell_stale(self, findings: Sequence[Finding], checked: Checked) -> None:
        """Say on standard error what the baseline holds of mistakes that are gone."""
        if self.baseline is None:
            return
        _, left = self.baseline.new(findings, checked.sources)
        failed = {os.path.realpath(problem.path) for problem in checked.problems}
        gone = stale(left, self.baseline.path, lambda path, code: self._asked(path, code, failed))
        if gone:
            click.echo(_told(self.baseline.path, gone), err=True)

    def _changed(self, finding: Finding, checked: Checked) -> bool:
        assert self.changes is not None
        try:
            return self.changes.touch(finding.location, checked.sources.get(finding.location.path))
        except SinceError as error:
            raise SettingsError(str(error)) from None

    def _asked(self, path: str, code: str, failed: Collection[str]) -> bool:
        """Whether this call looked for a code in a file, and could."""
        path = os.path.realpath(path)
        inside = any(_is_inside(path, os.path.realpath(root)) for root in self.paths)
        return inside and path not in failed and self.settings.asks(path, code)


def narrowing(
    paths: Sequence[str], settings: Settings, baseline: str | None, since: str | None
) -> Narrowing:
    """What the options ask for; raises SettingsError where that cannot be had."""
    try:
        known = read_baseline(baseline) if baseline is not None else None
        changes = Changes(since) if since is not None else None
        if changes is not None:
            for path in filter(os.path.exists, paths):
                changes.require(path)
    except (BaselineError, SinceError) as error:
        raise SettingsError(str(error)) from None
    return Narrowing(paths, settings, known, changes)


def save_baseline(path: str, findings: Sequence[Finding], checked: Checked) -> None:
    """Write a baseline of all findings, whole or not at all, and say so; raises SettingsError."""
    text = baseline_text(findings, checked.sources, path)
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SettingsError(f"error: --write-baseline {path}: {why}") from None
    for problem in checked.problems:
        click.echo(render_problem(problem), err=True)
    click.echo(f"Wrote {count(len(findings), 'finding')} to {path}.", err=True)


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _told(path: str, gone: Sequence[Kind]) -> str:
    entries = "1 entry" if len(gone) == 1 else f"{len(gone)} entries"
    lines = [f"{path}: note: {entries} no longer found:"]
    lines += [f"  {kind.path}: {kind.code}: {kind.line}" for kind in gone[:_SHOWN]]
    if len(gone) > _SHOWN:
        lines.append(f"  and {len(gone) - _SHOWN} more")
    return "\n".join([*lines, f"  help: `--write-baseline {path}` leaves them out"])
