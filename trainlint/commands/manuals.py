"""`trainlint explain` and `trainlint rules`: what the rules' own docstrings say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

from trainlint.registry import Entry, load_all
from trainlint.selection import nearest


def explain_command(code: str) -> int:
    """Print one manual; by code, or by name."""
    entries = load_all()
    wanted = code.strip()
    for entry in entries:
        if wanted.upper() == entry.code or wanted.lower() == entry.name:
            click.echo(_manual(entry), nl=False)
            return 0
    known = [name for entry in entries for name in (entry.code, entry.name)]
    near = nearest(wanted, known)
    hint = f"did you mean {near}? " if near else ""
    click.echo(f"error: unknown code {code!r}", err=True)
    click.echo(f"  help: {hint}`trainlint rules` lists them", err=True)
    return 2


def _manual(entry: Entry) -> str:
    kind = "rule" if entry.code.startswith("TRN") else "detector"
    facts = [entry.severity.value, kind, entry.area]
    if kind == "rule":
        facts.append(f"{entry.confidence.value} confidence")
    if not entry.default:
        facts.append("off by default")
    if entry.confirms:
        facts.append(f"confirms {', '.join(entry.confirms)}")
    return f"{entry.code} {entry.name} ({'; '.join(facts)})\n\n{entry.manual.text()}"


def rules_command(output_format: str) -> int:
    """Print all rules and detectors."""
    entries = load_all()
    if output_format == "json":
        click.echo(json.dumps([_as_json(entry) for entry in entries], indent=2))
    elif output_format == "markdown":
        click.echo(rules_table(entries), nl=False)
    else:
        click.echo("\n".join(_columns(entries)))
    return 0


def _as_json(entry: Entry) -> dict[str, object]:
    return {
        "code": entry.code,
        "name": entry.name,
        "severity": entry.severity.value,
        "confidence": entry.confidence.value,
        "default": entry.default,
        "area": entry.area,
        "summary": entry.manual.summary,
        "confirms": list(entry.confirms),
    }


def rules_table(entries: Iterable[Entry]) -> str:
    """The rules as a Markdown table; the README's is made by this."""
    lines = ["| code | name | severity | what it finds |", "|---|---|---|---|"]
    for entry in entries:
        off = "" if entry.default else " (off)"
        lines.append(
            f"| {entry.code} | {entry.name} | {entry.severity.value}{off} "
            f"| {entry.manual.summary} |"
        )
    return "\n".join(lines) + "\n"


def _columns(entries: Sequence[Entry]) -> list[str]:
    name = max(len(entry.name) for entry in entries)
    severity = max(len(entry.severity.value) for entry in entries)
    return [
        f"{entry.code}  {entry.name:<{name}}  {entry.severity.value:<{severity}}  "
        f"{entry.manual.summary}{'' if entry.default else ' (off by default)'}"
        for entry in entries
    ]
