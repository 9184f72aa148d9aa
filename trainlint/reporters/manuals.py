"""A rule's or detector's manual, for the terminal and as a page of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click

from trainlint.finding import Severity
from trainlint.manual import Manual
from trainlint.registry import Entry

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_IN_TICKS = re.compile(r"`[^`\n]+`")
_HEADING = re.compile(r"(?:Bad|Good)(?: \([^)]*\))?:|(?:Fix safety|Source):(?= )")


def kind_of(entry: Entry) -> str:
    """`rule` of `check`, or `detector` of `run`."""
    return "rule" if entry.code.startswith("TRN") else "detector"


def facts(entry: Entry) -> list[str]:
    """What there is to know of an entry besides its manual."""
    told = [entry.severity.value, kind_of(entry), entry.area]
    if kind_of(entry) == "rule":
        told.append(f"{entry.confidence.value} confidence")
    if not entry.default:
        told.append("off by default")
    if entry.confirms:
        told.append(f"confirms {', '.join(entry.confirms)}")
    return told


# -- for the terminal ----------------------------------------------------------------------------


def manual_text(entry: Entry, *, color: bool = False) -> str:
    """What `explain` prints."""
    head = f"{entry.code} {entry.name}"
    if not color:
        return f"{head} ({'; '.join(facts(entry))})\n\n{entry.manual.text()}"
    painted = click.style(head, fg=_COLORS[entry.severity], bold=True)
    about = click.style(f"({'; '.join(facts(entry))})", dim=True)
    return f"{painted} {about}\n\n{''.join(_painted(entry.manual))}"


def _painted(manual: Manual) -> Iterator[str]:
    """The manual's lines: the summary bold, headings in their colour, code in its own."""
    for number, line in enumerate(manual.text().splitlines(keepends=True)):
        heading = _HEADING.match(line)
        if number == 0:
            yield click.style(line, bold=True)
        elif heading is not None:
            tint = {"B": "red", "G": "green"}.get(line[0])
            yield click.style(heading[0], fg=tint, bold=True) + _ticks(line[heading.end() :])
        elif line.startswith("    "):
            yield _code(line)
        else:
            yield _ticks(line)


def _ticks(line: str) -> str:
    return _IN_TICKS.sub(lambda found: click.style(found[0], fg="cyan"), line)


def _code(line: str) -> str:
    """A line of an example, its comment set back."""
    code, mark, comment = line.partition("# ")
    return code + click.style(f"{mark}{comment}", dim=True) if mark else line


# -- pages ---------------------------------------------------------------------------------------


def page(entry: Entry) -> str:
    """The page of a rule or detector, in Markdown."""
    head = f"# {entry.code}: {entry.name}\n\n**{facts(entry)[0]}**"
    about = [*facts(entry)[1:-1], _linked(facts(entry)[-1])]
    return f"{head} · {' · '.join(about)}\n\n{entry.manual.markdown()}"


def _linked(text: str) -> str:
    return re.sub(r"TRN\d{3}", r"[\g<0>](\g<0>.md)", text)


def index_page(entries: Sequence[Entry]) -> str:
    """The page that leads to all others: rules by area, then detectors."""
    parts = [
        "# Rules and detectors\n",
        "Made from the manuals that `trainlint explain CODE` prints. "
        "Rules (TRN) read, detectors (RUN) watch.\n",
    ]
    rules = [entry for entry in entries if kind_of(entry) == "rule"]
    for area, some in groupby(rules, key=lambda entry: entry.area):
        parts.append(_table(f"{area[0].upper()}{area[1:]}", some))
    parts.append(_table("Detectors", (one for one in entries if kind_of(one) == "detector")))
    return "\n".join(parts)


def _table(title: str, entries: Iterable[Entry]) -> str:
    lines = [f"## {title}\n", "| code | name | severity | what it finds |", "|---|---|---|---|"]
    for entry in entries:
        off = "" if entry.default else " (off)"
        lines.append(
            f"| [{entry.code}]({entry.code}.md) | {entry.name} | {entry.severity.value}{off} "
            f"| {entry.manual.summary} |"
        )
    return "\n".join(lines) + "\n"
