"""Patterns as in .gitignore, matched in a time that no pattern and no name can blow up.

They are from files of strangers. pathspec makes a regular expression of each, in which every `*`
is tried at every length, those after it again each time: eight of them on a long name take hours.
Here each `*` and `**` but the last takes what it can match first, which leaves most to the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pathspec import GitIgnoreSpec

# What pathspec makes of `*`, and of `**` before and between slashes.
_STAR = "[^/]*"
_FIRST = "(?:.+/)?"
_BETWEEN = "(?:/.+)?/"
# One character of a few; what follows a backslash is itself.
_BRACKETS = re.compile(r"\\.|(\[\^?(?:\\.|[^\]\\])*\])")
_FOLDER = "ps_d"  # the group in which pathspec marks that a folder above a path is meant


class Patterns:
    """The patterns of one file, in its order.

    A line that is none raises ValueError; with `lenient`, it is left out, as git does.
    """

    def __init__(self, lines: Iterable[str], *, lenient: bool = False) -> None:
        self._patterns = [one for line in lines for one in _compiled(line, lenient)][::-1]

    def says(self, name: str, is_folder: bool) -> bool | None:
        """Whether a path is meant, by its name with slashes; None where no pattern speaks of it.

        The last pattern that speaks of the path itself decides, before those that speak of a
        folder above it.
        """
        name = f"{name}/" if is_folder else name
        above: bool | None = None
        for regex, include in self._patterns:
            found = regex.search(name)
            if found is None:
                continue
            if not found.groupdict().get(_FOLDER):
                return include
            above = include if above is None else above
        return above


def _compiled(line: str, lenient: bool) -> list[tuple[re.Pattern[str], bool]]:
    try:
        made = GitIgnoreSpec.from_lines([line]).patterns
    except ValueError:
        if lenient:
            return []
        raise
    return [
        (re.compile(_within_names(_linear(one.regex.pattern))), one.include)
        for one in made
        if one.regex is not None and one.include is not None
    ]


def _linear(regex: str) -> str:
    """The same expression, without a choice that is tried again once it was made."""
    if not regex.startswith("^"):
        return regex  # of `*` or `**/` alone
    *pieces, last = regex.removeprefix("^").split(_BETWEEN)
    made = ""
    for number, piece in enumerate(pieces):
        before = "" if number == 0 else "(?:/.+?)??/"
        if piece.startswith(_FIRST):
            before, piece = "(?:.+?/)??", piece.removeprefix(_FIRST)
        made += _once(f"{before}{_stars(piece, number)}(?=/)", f"f{number}")
    return f"^{made}{_BETWEEN if made else ''}{_stars(last, len(pieces))}"


def _stars(piece: str, number: int) -> str:
    """Each `*` of a name but the last: as short as it can be."""
    first, *rest = piece.split(_STAR)
    if not rest:
        return piece
    made = first
    for at, part in enumerate(rest[:-1]):
        if "/" in _BRACKETS.sub("", part):
            made += _STAR + part  # the end of the folder's name is the end of its `*`
        elif part:
            made += _once(f"[^/]*?{part}", f"s{number}_{at}")
    return made + _STAR + rest[-1]


def _within_names(regex: str) -> str:
    """The same with brackets that match no slash, as in git: `[!a]` is a character of a name."""

    def guarded(found: re.Match[str]) -> str:
        return found[0] if found[1] in (None, "[^/]") else f"(?!/){found[0]}"

    return _BRACKETS.sub(guarded, regex)


def _once(regex: str, name: str) -> str:
    """An expression that, matched, is not tried in another way: `(?>…)`, which 3.10 lacks."""
    return f"(?=(?P<{name}>{regex}))(?P={name})"
