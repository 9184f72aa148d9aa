"""Reading suppressions: which comments excuse what, and from which codes."""

from __future__ import annotations

import contextlib
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from trainlint.finding import Finding
from trainlint.lint.source import Source
from trainlint.lint.tokens import NO_TOKENS, tokens
from trainlint.statements import blocks_of

# Codes stand in brackets; those that are written after a blank or a colon are meant as well.
_WORDS = (
    r"trainlint:\s*(?P<kind>ignore-file|ignore|disable|enable)\b(?:\[(?P<codes>[^\]\r\n]*)\]"
    r"|[ \t:]+(?P<bare>(?:TRN|RUN)\d+(?:[ \t]*[,\s][ \t]*(?:TRN|RUN)\d+)*)\b)?"
)
_OURS = re.compile(rf"#\s*{_WORDS}", re.I)
_NOQA = re.compile(r"#\s*noqa(?!\w)(?::\s*(?P<codes>[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*))?", re.I)
_PROSE = re.compile(rf"(?:<!--|^\s*\.\.)\s*{_WORDS}", re.I)

# The code of a suppression that excuses nothing.
UNUSED = "TRN000"

# A line of the original file, and the notebook cell that it stands in.
Line = tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """Where a directive's text stands: a line of the code, or of the original for prose.

    Lines count from 1, columns from 0. `alone` is whether nothing else stands on its line.
    """

    line: int
    start: int
    end: int
    comment: str
    comment_start: int
    alone: bool
    in_prose: bool = False


@dataclass(eq=False)
class Directive:
    """One suppression; `codes` is None for all codes, `lines` is None for the whole file.

    `used` is filled as findings are excused: the codes, as they are written, that were needed.
    """

    kind: str
    codes: tuple[str, ...] | None
    mark: Mark
    lines: dict[str | None, frozenset[Line]] | None = None
    used: set[str | None] = field(default_factory=set)

    def excuses(self, finding: Finding, lines: set[Line]) -> bool:
        """Whether it names the finding's code, the start of it, or its name, and where it lies."""
        meant = [
            code
            for code in self.codes or (None,)
            if _means(code, finding) and (self.lines is None or self.lines[code] & lines)
        ]
        self.used.update(meant)
        return bool(meant)

    def covers(self, line: Line) -> bool:
        """Whether a line lies in what it excuses, for any of its codes."""
        return self.lines is None or any(line in lines for lines in self.lines.values())


def _means(code: str | None, finding: Finding) -> bool:
    if finding.code == UNUSED:  # told of the comment itself: it must be named to be excused
        return code is not None and code.lower() in (UNUSED.lower(), finding.name)
    return code is None or names(code, finding.code, finding.name)


def names(written: str, code: str, name: str) -> bool:
    """Whether what a suppression lists means a code: the code, the start of it, or the name."""
    return bool(written) and (code.startswith(written.upper()) or name == written.lower())


@dataclass(frozen=True)
class _Read:
    kind: str
    codes: tuple[str, ...] | None
    mark: Mark


def read_directives(source: Source) -> list[Directive]:
    """All suppressions of a source, in the order of its code, then of its prose."""
    return [*_Code(source).directives(), *_prose(source)]


class _Code:
    """The comments of a source's code."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens_of(source)
        self._read = [one for token in self._tokens for one in _in_comment(token)]

    def directives(self) -> Iterator[Directive]:
        for one in self._read:
            if one.kind == "ignore-file":
                yield Directive(one.kind, one.codes, one.mark)
            elif one.kind in ("ignore", "noqa"):
                yield self._over(one, one.mark.line, one.mark.line)
            elif one.kind == "disable":
                yield self._block(one)

    def _over(self, one: _Read, first: int, last: int) -> Directive:
        covered = self._originals(first, last)
        return Directive(
            one.kind, one.codes, one.mark, dict.fromkeys(one.codes or (None,), covered)
        )

    def _block(self, one: _Read) -> Directive:
        """On a block's first lines, the block; on a line of its own, what follows in its block."""
        line = one.mark.line
        if not one.mark.alone:
            return self._over(one, *self._blocks.get(line, (line, line)))
        end = self._end_of_block(line, one.mark.comment_start)
        lines = {
            code: self._originals(line, self._enabled(code, line, end))
            for code in one.codes or (None,)
        }
        return Directive(one.kind, one.codes, one.mark, lines)

    def _enabled(self, code: str | None, line: int, end: int) -> int:
        """The line that switches a code on again, or the end of the block."""
        for one in self._read:
            meant = one.kind == "enable" and (one.codes is None or code in one.codes)
            if meant and line < one.mark.line <= end:
                return one.mark.line
        return end

    def _end_of_block(self, line: int, column: int) -> int:
        after = (at for at, begins in self._logical if at > line and begins < column)
        return next(after, len(self._source.code_lines) + 1) - 1

    def _originals(self, first: int, last: int) -> frozenset[Line]:
        places = (self._source.location(line, 0, line, 0) for line in range(first, last + 1))
        return frozenset((at.cell, at.line) for at in places)

    @cached_property
    def _blocks(self) -> dict[int, tuple[int, int]]:
        return blocks_of(self._source.code)

    @cached_property
    def _logical(self) -> list[tuple[int, int]]:
        """Line and column of the first token of each logical line."""
        layout = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)
        found, fresh = [], True
        for token in self._tokens:
            if token.type == tokenize.NEWLINE:
                fresh = True
            elif fresh and token.type not in layout:
                fresh = False
                found.append(token.start)
        return found


def tokens_of(source: Source) -> list[tokenize.TokenInfo]:
    """The tokens of a source's code, up to the place where it is no Python."""
    found: list[tokenize.TokenInfo] = []
    with contextlib.suppress(*NO_TOKENS):
        found.extend(tokens(source.code))
    return found


def _in_comment(token: tokenize.TokenInfo) -> Iterator[_Read]:
    if token.type != tokenize.COMMENT:
        return
    line, column = token.start
    alone = not token.line[:column].strip()
    for pattern in (_OURS, _NOQA):
        for match in pattern.finditer(token.string):
            kind = match.groupdict().get("kind") or "noqa"
            start, end = column + match.start(), column + match.end()
            mark = Mark(line, start, end, token.string, column, alone)
            yield _Read(kind.lower(), _listed(match), mark)


def _prose(source: Source) -> Iterator[Directive]:
    if source.kind != "document":
        return
    lines = source.lines
    read = [one for number, line in _told_lines(lines) for one in _in_line(number, line)]
    for one in read:
        number = one.mark.line
        if one.kind == "ignore-file":
            yield Directive(one.kind, one.codes, one.mark)
        elif one.kind in ("ignore", "disable"):
            ends = {
                code: _paragraph_end(lines, one.mark)
                if one.kind == "ignore"
                else _prose_end(read, code, one, len(lines))
                for code in one.codes or (None,)
            }
            covered = {
                code: frozenset((0, line) for line in range(number, end + 1))
                for code, end in ends.items()
            }
            yield Directive(one.kind, one.codes, one.mark, covered)


def _paragraph_end(lines: Sequence[str], mark: Mark) -> int:
    """What a comment covers: the paragraph below it, or where it ends a line, that and the next."""
    end = mark.line
    if mark.alone:
        while end < len(lines) and not lines[end].strip():
            end += 1
        while end < len(lines) and lines[end].strip():
            end += 1
    return max(end, mark.line + 1)


_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_SPAN = re.compile(r"(`+)(?!`)[^`]{1,400}\1(?!`)")


def _told_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines of a document without what it only shows: fenced blocks, code within a line."""
    fence = ""
    for number, line in enumerate(lines, 1):
        found = _FENCE.match(line)
        if found is not None and (not fence or found[1].startswith(fence)):
            fence = "" if fence else found[1]
        elif not fence:
            yield number, _SPAN.sub(lambda span: " " * len(span[0]), line)


def _prose_end(read: Sequence[_Read], code: str | None, start: _Read, end: int) -> int:
    return next(
        (
            one.mark.line
            for one in read
            if one.kind == "enable"
            and one.mark.line > start.mark.line
            and (one.codes is None or code in one.codes)
        ),
        end,
    )


def _in_line(number: int, line: str) -> Iterator[_Read]:
    for match in _PROSE.finditer(line):
        alone = line[match.end() :].strip() in ("", "-->") and not line[: match.start()].strip()
        mark = Mark(number, match.start(), match.end(), line, 0, alone, in_prose=True)
        yield _Read(match["kind"].lower(), _listed(match), mark)


def _listed(match: re.Match[str]) -> tuple[str, ...] | None:
    found = match.groupdict()
    codes = found["codes"] if found["codes"] is not None else found.get("bare")
    if codes is None:
        return None
    return tuple(dict.fromkeys(code for code in re.split(r"[\s,]+", codes) if code))
