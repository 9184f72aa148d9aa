"""What an editor shows under the pointer: the manual of what is found or suppressed there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lsprotocol import types

from trainlint.finding import Finding
from trainlint.links import manual_url
from trainlint.registry import Entry, load_all
from trainlint.server.positions import Positions

_CODE = re.compile(r"\b(?:TRN|RUN)\d{3}\b", re.I)
_SUPPRESSION = re.compile(r"trainlint:|\bnoqa\b", re.I)


def manuals(findings: Iterable[Finding], *, markdown: bool) -> str:
    """The manuals of findings, each code once, with what is advised at this place."""
    entries = {entry.code: entry for entry in load_all()}
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        hints = by_code.setdefault(finding.code, [])
        if finding.hint and finding.hint not in hints:
            hints.append(finding.hint)
    parts = [_manual(entries[code], hints, markdown) for code, hints in by_code.items()]
    return ("\n---\n\n" if markdown else "\n").join(parts)


def _manual(entry: Entry, hints: list[str], markdown: bool) -> str:
    url = manual_url(entry.code)
    if markdown:
        head = f"### [{entry.code}]({url}) {entry.name}"
        advice = [f"*{hint}*" for hint in hints]
        return "\n\n".join([head, *advice, entry.manual.markdown(4)])
    return "\n\n".join([f"{entry.code} {entry.name}", *hints, entry.manual.text() + url]) + "\n"


def suppressed_at(text: str, position: types.Position, encoding: str) -> str | None:
    """The code under the pointer in a line that suppresses some."""
    index = Positions(text, encoding).index(position)
    start = max(text.rfind(end, 0, index) for end in "\r\n") + 1
    line = re.split("[\r\n]", text[start:], maxsplit=1)[0]
    if not _SUPPRESSION.search(line):
        return None
    found = (one[0] for one in _CODE.finditer(line) if one.start() <= index - start <= one.end())
    return next(found, None)


def manual_of(code: str, *, markdown: bool) -> str:
    """The manual of a code; empty where there is none of that name."""
    entries = {entry.code: entry for entry in load_all()}
    entry = entries.get(code.upper())
    return "" if entry is None else _manual(entry, [], markdown)
