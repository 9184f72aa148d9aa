"""Scripts that leave gaps for their reader to fill: exercises, templates."""

from __future__ import annotations

import re

from trainlint.lint.model import Script

_INVITATION = re.compile(
    r"#.{0,12}?\b(?:"
    r"(?:your|student'?s?) (?:code|solution|answer|implementation)\b|code (?:goes )?here\b"
    r"|(?:insert|put|write|add|type) your code\b"
    r"|fill (?:this |me )?in the (?:blank|detail|code|gap)"
    r"|to-?do:? ?(?:your|fill|complete|finish)\b|to-?do:? ?implement (?:the |this )?function"
    r"|complete (?:the|this) (?:code|function|implementation|method|class))",
    re.IGNORECASE,
)
# A notebook with so many cells of nothing but comments waits for code.
_WAITING = 3


def has_gaps(script: Script) -> bool:
    """Whether a script asks its reader for code: what is missing there is missing on purpose."""
    source = script.source
    if _INVITATION.search(source.code):
        return True
    waiting = sum(_is_only_comments(cell) for cell in source.cells.values())
    return waiting >= _WAITING


def _is_only_comments(cell: str) -> bool:
    lines = [line.strip() for line in cell.splitlines() if line.strip()]
    return bool(lines) and all(line.startswith("#") for line in lines)
