"""Suppressions that excuse nothing: TRN000, with the fix that takes them away.

Only what was looked for can be missing: a code that is switched off for the file, a code of another
tool and a detector's are left alone, and so is `# noqa` without a code, which may serve others.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from trainlint.directives import UNUSED, Directive, names
from trainlint.finding import Edit, Finding, Fix, Location, Severity
from trainlint.lint.source import Source
from trainlint.registry import Listed
from trainlint.selection import nearest
from trainlint.suppress import Excuses, unexcused

_OTHERS = re.compile(r"RUN", re.I)
_ANNOTATED = re.compile(rb"trainlint:\s*(?:ignore|disable)|noqa:[^\r\n]{0,200}trn\d")
_HINT = "take it away, so that it hides no mistake that comes later"


def is_annotated(data: bytes) -> bool:
    """Whether a file can have a suppression that is ours to judge."""
    small = data.lower()
    return (b"trainlint:" in small or b"noqa:" in small) and bool(_ANNOTATED.search(small))


def with_unused(
    findings: Sequence[Finding],
    sources: Mapping[str, Source],
    annotated: Iterable[Source],
    entries: Sequence[Listed],
    asks: Callable[[str, str], bool],
) -> list[Finding]:
    """The findings that no comment excuses, and one for each comment that excuses none.

    `asks` tells whether a code is looked for in a file.
    """
    own = {source.path: source for source in annotated}
    excuses = {path: Excuses(source) for path, source in {**sources, **own}.items()}
    kept = unexcused(findings, excuses)
    unused: list[Finding] = []
    for path in own:
        if asks(path, UNUSED):
            unused += _Judge(excuses[path], entries, functools.partial(asks, path)).all()
    return sorted([*kept, *unexcused(unused, excuses)], key=lambda finding: finding.sort_key)


class _Judge:
    """Tells which of a file's suppressions are not needed."""

    def __init__(
        self, excuses: Excuses, entries: Sequence[Listed], asked: Callable[[str], bool]
    ) -> None:
        self._source = excuses.source
        self._directives = excuses.directives
        self._entries = [entry for entry in entries if entry.code[:3] == "TRN"]
        self._asked = asked

    def all(self) -> Iterator[Finding]:
        for one in self._directives:
            if one.codes is None:
                if one.kind != "noqa" and not one.used and self._was_asked(None):
                    yield self._finding(one, (), "nothing is found there")
                continue
            idle = [code for code in one.codes if code not in one.used and self._is_ours(one, code)]
            if idle:
                yield self._finding(one, idle, "; ".join(map(self._why, idle)))

    def _is_ours(self, one: Directive, code: str) -> bool:
        known = self._meant(code)
        if known:
            return self._was_asked(code)
        return one.kind != "noqa" and not _OTHERS.match(code)

    def _meant(self, code: str) -> list[Listed]:
        return [entry for entry in self._entries if names(code, entry.code, entry.name)]

    def _was_asked(self, code: str | None) -> bool:
        """Whether all that a suppression speaks of was looked for, but for what is opt-in."""
        meant = self._entries if code is None else self._meant(code)
        meant = [entry for entry in meant if entry.code != UNUSED]
        asked = [entry for entry in meant if self._asked(entry.code)]
        return bool(asked) and all(entry in asked for entry in meant if entry.default)

    def _why(self, code: str) -> str:
        if self._meant(code):
            return f"{code} is not found there"
        known = [name for entry in self._entries for name in (entry.code, entry.name)]
        near = nearest(code, known)
        return f"there is no code {code}" + (f", did you mean {near}?" if near else "")

    def _finding(self, one: Directive, idle: Sequence[str], why: str) -> Finding:
        fix = _fix(self._source, one, idle)
        at = _place(self._source, one)
        text = f"this suppression excuses nothing: {why}"
        return Finding(
            UNUSED, "unused-suppression", text, Severity.WARNING, at, hint=_HINT, fix=fix
        )


def _place(source: Source, one: Directive) -> Location:
    mark = one.mark
    if mark.in_prose:
        return Location(source.path, mark.line, mark.start + 1, mark.line, mark.end + 1)
    return source.location(mark.line, mark.start, mark.line, mark.end)


def _fix(source: Source, one: Directive, idle: Sequence[str]) -> Fix | None:
    """Take away the codes that are not needed, or the whole comment; None where it has no place."""
    mark = one.mark
    if mark.in_prose:
        return None
    kept = [code for code in one.codes or () if code not in idle]
    text = mark.comment[mark.start - mark.comment_start : mark.end - mark.comment_start]
    if kept:
        start, end, content = mark.start, mark.end, _with_codes(text, kept)
        title = f"take {', '.join(idle)} out of the suppression"
    else:
        start, end = _extent(source, one)
        content, title = "", "take the suppression away"
    whole_line = not kept and mark.alone and start == 0 and source.kind == "python"
    after = mark.line + 1 if whole_line and mark.line < len(source.code_lines) else mark.line
    first = source.offset(mark.line, start)
    last = source.offset(after, 0 if after > mark.line else end)
    if first is None or last is None:
        return None
    return Fix(title, (Edit(first, last, content),), safe=True)


def _with_codes(text: str, kept: Sequence[str]) -> str:
    if "[" in text:
        return f"{text[: text.index('[')]}[{', '.join(kept)}]"
    if bare := re.match(r".*?(?:ignore-file|ignore|disable)\b", text, re.I):
        return f"{bare[0]}[{', '.join(kept)}]"
    return f"{text[: text.index(':') + 1]} {', '.join(kept)}"


def _extent(source: Source, one: Directive) -> tuple[int, int]:
    """The columns to take out: up to the next comment in the comment, reasons given included."""
    mark = one.mark
    end = mark.comment.find("#", mark.end - mark.comment_start)
    if end >= 0:
        return mark.start, mark.comment_start + end
    before = source.code_lines[mark.line - 1][: mark.start]
    kept = before.rstrip() if source.kind == "python" or not mark.alone else before
    return len(kept), mark.comment_start + len(mark.comment)
