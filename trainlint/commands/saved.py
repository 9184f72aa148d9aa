"""`trainlint report` and `trainlint compare`: of runs that were saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainlint.commands.saving import load
from trainlint.commands.told import Told, tell
from trainlint.finding import Finding
from trainlint.lint.source import Source
from trainlint.reporters.json import plain
from trainlint.reporters.output import Rendered, prepare, publish
from trainlint.runtime_checks.comparison import Comparison, Measure, compare_runs
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, show


def report_command(
    folder: str,
    *,
    output_format: str,
    output_file: str | None,
    html: str | None,
    log_dir: Path | None,
) -> int:
    """Tell of a saved run as it was told of then."""
    prepare(output_file)
    if html is not None:
        prepare(html)
    return tell(load(folder), output_format, output_file, html=html, log_dir=log_dir)


def compare_command(before: str, after: str, *, output_format: str, output_file: str | None) -> int:
    """Set two saved runs side by side; 1 where the later one has findings that are new."""
    prepare(output_file)
    old, new = load(before), load(after)
    comparison = compare_runs(_parts(old), _parts(new))
    if output_format == "json":
        body = f"{json.dumps(_json(comparison, old, new), indent=2, ensure_ascii=False)}\n"
    else:
        body = _text(comparison, old, new)
    publish(Rendered(body, human=output_format != "json"), [], output_file, color=False)
    return 1 if comparison.new else 0


def _parts(told: Told) -> tuple[Run, Sequence[Finding], Mapping[str, Source]]:
    return told.run, told.findings, told.sources


def _text(comparison: Comparison, old: Told, new: Told) -> str:
    lines = [f"before: {outcome_line(old.run)}", f"after:  {outcome_line(new.run)}", ""]
    rows = [("", "before", "after", ""), *(_row(one) for one in comparison.measures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[3]]).rstrip())
    for title, findings in _groups(comparison):
        lines += ["", f"{title}:", *(f"  {_headline(finding)}" for finding in findings)]
    if not any(findings for _, findings in _groups(comparison)):
        lines += ["", "Neither run has a finding."]
    return "\n".join(lines) + "\n"


def _groups(comparison: Comparison) -> list[tuple[str, Sequence[Finding]]]:
    groups = (
        ("new", comparison.new),
        ("still there", comparison.stayed),
        ("gone", comparison.gone),
    )
    return [(f"{title}, {count(len(found), 'finding')}", found) for title, found in groups if found]


def _headline(finding: Finding) -> str:
    return f"{finding.location}: {finding.code} [{finding.name}] {finding.message}"


def _row(measure: Measure) -> tuple[str, str, str, str]:
    ratio = measure.ratio
    change = "" if ratio is None or round(ratio, 2) == 1 else f"{ratio:.2f} x"
    return measure.name, show(measure.before), show(measure.after), change


def _json(comparison: Comparison, old: Told, new: Told) -> dict[str, object]:
    return {
        "format": 1,
        "before": outcome_line(old.run),
        "after": outcome_line(new.run),
        "measures": [{**plain(one), "ratio": one.ratio} for one in comparison.measures],
        "new": plain(comparison.new),
        "stayed": plain(comparison.stayed),
        "gone": plain(comparison.gone),
    }
