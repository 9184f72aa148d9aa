"""Applying the fixes of findings to the bytes of one file, all or those that agree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from trainlint.finding import Edit, Finding, Fix, is_fixable
from trainlint.lint.files import make_source
from trainlint.lint.problem import Unreadable
from trainlint.lint.python_syntax import check_syntax
from trainlint.lint.source import Source

# A finding with a fix, and that fix.
Fixed = tuple[Finding, Fix]


def mend(
    source: Source, findings: Sequence[Finding], unsafe: bool
) -> tuple[bytes, list[Finding], list[Finding]]:
    """The file with as many fixes as agree, whose findings these are, and those that broke it.

    A fix that would leave a file that cannot be read, or touch more than code, is not applied.
    """
    wanted = [(one, one.fix) for one in findings if one.fix and is_fixable(one, unsafe)]
    chosen = _without_overlaps(wanted)
    data = _applied(source, chosen)
    if data is not None:
        return data, [finding for finding, _ in chosen], []
    kept: list[Fixed] = []
    broken: list[Finding] = []
    for one in chosen:
        if _applied(source, [*kept, one]) is None:
            broken.append(one[0])
        else:
            kept.append(one)
    data = _applied(source, kept) if kept else source.data
    return data or source.data, [finding for finding, _ in kept], broken


def _without_overlaps(wanted: Sequence[Fixed]) -> list[Fixed]:
    """From the start of the file on, each fix that touches nothing that one before it touches.

    The others come in the next round. An edit that several fixes have in common is made once.
    """
    chosen: list[Fixed] = []
    taken: set[Edit] = set()
    for finding, fix in sorted(wanted, key=_first_byte):
        own = set(fix.edits) - taken
        if not any(_touch(one, other) for one in own for other in taken):
            taken |= own
            chosen.append((finding, fix))
    return chosen


def _first_byte(one: Fixed) -> tuple[int, str]:
    return min(edit.start for edit in one[1].edits), one[0].code


def _touch(one: Edit, other: Edit) -> bool:
    """Whether two edits meet: they overlap, or it would matter which comes first."""
    return one.start <= other.end and other.start <= one.end


def _applied(source: Source, fixes: Sequence[Fixed]) -> bytes | None:
    """The file with these fixes made; None where it would come out broken."""
    edits = sorted({edit for _, fix in fixes for edit in fix.edits}, key=lambda edit: edit.start)
    try:
        data = b"".join(_pieces(source, edits))
        after = make_source(source.path, data)
        _parse(source, after)
    except (Unreadable, UnicodeError, RecursionError):
        return None
    return data if _text(source, edits) == after.text and _keeps(source, after) else None


def _parse(before: Source, after: Source) -> None:
    """Both Python and libcst have to read the new code; Python, where it could read the old."""
    from trainlint.lint.parse import parse  # imports libcst, and most checks fix nothing

    parse(after)
    try:
        check_syntax(before)
    except Unreadable:
        return
    check_syntax(after)


def _pieces(source: Source, edits: Sequence[Edit]) -> Iterator[bytes]:
    at = 0
    for edit in edits:
        if not at <= edit.start <= edit.end <= len(source.data):
            raise Unreadable("edits that overlap, or of another file")
        yield source.data[at : edit.start]
        yield edit.content.encode(source.encoding)
        at = edit.end
    yield source.data[at:]


def _text(source: Source, edits: Sequence[Edit]) -> str:
    """The text that is meant, which an encoding that keeps a state need not give."""
    at, text = 0, ""
    for edit in edits:
        text += source.data[at : edit.start].decode(source.encoding) + edit.content
        at = edit.end
    return (text + source.data[at:].decode(source.encoding)).removeprefix("\ufeff")


def _keeps(before: Source, after: Source) -> bool:
    """Whether all that is no code is as it was: prose, and a notebook's outputs and metadata."""
    if before.encoding != after.encoding:
        return False
    if before.kind == "notebook":
        return bool(_without_sources(before.text) == _without_sources(after.text))
    prose = [
        [("".join(one.text.split()), one.kind, one.section) for one in some.prose]
        for some in (before, after)
    ]
    blocks = [[block.used for block in some.blocks] for some in (before, after)]
    return prose[0] == prose[1] and blocks[0] == blocks[1]


def _without_sources(text: str) -> Any:
    notebook = json.loads(text, parse_float=str, parse_constant=str)  # NaN equals nothing
    for cell in notebook.get("cells", []):
        if cell.get("cell_type") == "code":
            cell["source"] = ""
    return notebook
