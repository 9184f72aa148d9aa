"""`trainlint explain` and `trainlint rules`: what the rules' own docstrings say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

from trainlint.commands.check import wants_color
from trainlint.links import manual_url
from trainlint.registry import Entry, load_all
from trainlint.reporters.manuals import kind_of, manual_text, page
from trainlint.selection import nearest


def explain_command(code: str, output_format: str = "text") -> int:
    """Print one manual; by code, or by name."""
    entries = load_all()
    wanted = code.strip()
    for entry in entries:
        if wanted.upper() == entry.code or wanted.lower() == entry.name:
            click.echo(_explained(entry, output_format), nl=False)
            return 0
    known = [name for entry in entries for name in (entry.code, entry.name)]
    near = nearest(wanted, known)
    hint = f"did you mean {near}? " if near else ""
    click.echo(f"error: unknown code {code!r}", err=True)
    click.echo(f"  help: {hint}`trainlint rules` lists them", err=True)
    return 2


def _explained(entry: Entry, output_format: str) -> str:
    if output_format == "json":
        return json.dumps(_as_json(entry), indent=2, ensure_ascii=False) + "\n"
    return page(entry) if output_format == "markdown" else manual_text(entry, color=wants_color())


def rules_command(output_format: str) -> int:
    """Print all rules and detectors."""
    entries = load_all()
    if output_format == "json":
        click.echo(json.dumps([_as_json(entry) for entry in entries], indent=2, ensure_ascii=False))
    elif output_format == "markdown":
        click.echo(rules_table(entries), nl=False)
    else:
        click.echo("\n".join(_columns(entries)))
    return 0


def _as_json(entry: Entry) -> dict[str, object]:
    manual = entry.manual
    return {
        "code": entry.code,
        "name": entry.name,
        "kind": kind_of(entry),
        "severity": entry.severity.value,
        "confidence": entry.confidence.value,
        "default": entry.default,
        "area": entry.area,
        "summary": manual.summary,
        "explanation": manual.explanation,
        "examples": [
            {"bad": example.bad, "title": example.title, "code": f"{example.shown}\n"}
            for example in manual.examples
        ],
        "fix_safety": manual.fix_safety or None,
        "source": manual.source or None,
        "confirms": list(entry.confirms),
        "url": manual_url(entry.code),
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
