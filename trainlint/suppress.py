"""Suppressions: comments that excuse a line or a file from some codes, or from all.

`# trainlint: ignore[TRN101, undefined-name]`, `# trainlint: ignore`, `# noqa: TRN101` and `# noqa`
excuse the statement that they end or begin; `# trainlint: ignore-file[…]` the whole file. In a
document's prose, `<!-- trainlint: ignore[TRN201] -->` excuses its own line and the next.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from trainlint.finding import Finding
from trainlint.lint.source import Source
from trainlint.statements import spans_of

_OURS = re.compile(r"#\s*trainlint:\s*ignore(?P<file>-file)?(?:\[(?P<codes>[^\]]*)\])?", re.I)
_NOQA = re.compile(r"#\s*noqa(?!\w)(?::\s*(?P<codes>[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*))?", re.I)
_PROSE = re.compile(
    r"(?:<!--|^\s*\.\.)\s*trainlint:\s*ignore(?P<file>-file)?(?:\[(?P<codes>[^\]]*)\])?", re.I
)
_SCREEN = re.compile(rb"trainlint:\s*ignore|#\s*noqa", re.I)

# A line of the original file, and the notebook cell that it stands in.
Line = tuple[int, int]


@dataclass(frozen=True)
class Directive:
    """One suppression; `codes` is None for all codes."""

    codes: tuple[str, ...] | None
    whole_file: bool

    def excuses(self, finding: Finding) -> bool:
        """Whether it names the finding's code, the start of it, or its name."""
        if self.codes is None:
            return True
        return any(
            finding.code.startswith(code.upper()) or finding.name == code.lower()
            for code in self.codes
        )


def suppress(findings: Sequence[Finding], sources: Mapping[str, Source]) -> list[Finding]:
    """The findings that no comment excuses; one whose source is not among `sources` stays."""
    excuses = {path: _Excuses(source) for path, source in sources.items()}
    return [
        finding
        for finding in findings
        if finding.location.path not in excuses or not excuses[finding.location.path].of(finding)
    ]


class _Excuses:
    """The directives of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def of(self, finding: Finding) -> bool:
        if not _SCREEN.search(self._source.data):
            return False
        if any(directive.excuses(finding) for directive in self._of_file):
            return True
        return any(
            directive.excuses(finding)
            for line in self._lines(finding)
            for directive in self._of_lines.get(line, ())
        )

    def _lines(self, finding: Finding) -> set[Line]:
        """The lines on which a comment can mean a finding."""
        at = finding.location
        lines = {at.line, max(at.line, at.end_line)}
        for line in list(lines):
            lines.update(self._statements.get((at.cell, line), ()))
        return {(at.cell, line) for line in lines}

    @cached_property
    def _of_file(self) -> list[Directive]:
        return [one for _, one in self._directives if one.whole_file]

    @cached_property
    def _of_lines(self) -> dict[Line, list[Directive]]:
        found: dict[Line, list[Directive]] = {}
        for line, directive in self._directives:
            found.setdefault(line, []).append(directive)
        return found

    @cached_property
    def _directives(self) -> list[tuple[Line, Directive]]:
        return [*_in_code(self._source), *_in_prose(self._source)]

    @cached_property
    def _statements(self) -> dict[Line, tuple[int, int]]:
        """First and last line of the statement that each line belongs to, in the original."""
        found = {}
        for line, span in spans_of(self._source.code).items():
            first, last = (self._source.location(one, 0, one, 0) for one in span)
            at = self._source.location(line, 0, line, 0)
            found[at.cell, at.line] = (first.line, last.line)
        return found


def _in_code(source: Source) -> Iterator[tuple[Line, Directive]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source.code).readline):
            if token.type == tokenize.COMMENT:
                at = source.location(token.start[0], 0, token.start[0], 0)
                for directive in _directives(token.string, _OURS, _NOQA):
                    yield (at.cell, at.line), directive
    except (tokenize.TokenError, SyntaxError):
        return


def _in_prose(source: Source) -> Iterator[tuple[Line, Directive]]:
    if source.kind != "document":
        return
    for number, line in enumerate(source.lines, 1):
        for directive in _directives(line, _PROSE):
            yield (0, number), directive
            yield (0, number + 1), directive


def _directives(text: str, *patterns: re.Pattern[str]) -> Iterator[Directive]:
    for pattern in patterns:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            codes = groups["codes"]
            listed = None if codes is None else tuple(re.split(r"[\s,]+", codes.strip()))
            yield Directive(listed, bool(groups.get("file")))
