"""Suppressions: comments that excuse a line, a block or a file from some codes, or from all.

`# trainlint: ignore[TRN101, undefined-name]`, `# trainlint: ignore`, `# noqa: TRN101` and `# noqa`
excuse the statement, or the docstring, that they end or begin; `# trainlint: ignore-file[…]` the
whole file. `# trainlint: disable[…]` excuses a block: at the end of its first line (`def`, `for`,
`with`, …) that block, on a line of its own all that follows in the block around it, up to
`# trainlint: enable[…]`. In a document's prose, `<!-- trainlint: ignore[TRN201] -->` excuses its
own line and the next, or where it stands alone the paragraph below; `disable`, `enable` and
`ignore-file` work there as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from trainlint.directives import Directive, Line, read_directives
from trainlint.finding import Finding
from trainlint.lint.source import Source
from trainlint.statements import spans_of

_SCREEN = re.compile(rb"trainlint:\s*(?:ignore|disable)|#\s*noqa", re.I)


def suppress(findings: Sequence[Finding], sources: Mapping[str, Source]) -> list[Finding]:
    """The findings that no comment excuses; one whose source is not among `sources` stays."""
    excuses = {path: Excuses(source) for path, source in sources.items()}
    return unexcused(findings, excuses)


def unexcused(findings: Sequence[Finding], excuses: Mapping[str, Excuses]) -> list[Finding]:
    """The same, with the suppressions at hand; they remember what they were needed for."""
    return [
        finding
        for finding in findings
        if finding.location.path not in excuses or not excuses[finding.location.path].of(finding)
    ]


class Excuses:
    """The suppressions of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def of(self, finding: Finding) -> bool:
        """Whether a finding is excused; each suppression that does so counts as used."""
        if not self.directives:
            return False
        lines = set(self.lines_of(finding))
        said = [one.excuses(finding, lines) for one in self.directives]  # each is to remember it
        return any(said)

    @cached_property
    def directives(self) -> list[Directive]:
        """The suppressions, read when they are first asked for."""
        return read_directives(self.source) if _SCREEN.search(self.source.data) else []

    def lines_of(self, finding: Finding) -> list[Line]:
        """The lines on which a comment can mean a finding: its own, then its statement's."""
        at = finding.location
        lines = [at.line, max(at.line, at.end_line)]
        for line in list(lines):
            lines += reversed(self._statements.get((at.cell, line), ()))
        return [(at.cell, line) for line in dict.fromkeys(lines)]

    @cached_property
    def _statements(self) -> dict[Line, tuple[int, int]]:
        """First and last line of the statement that each line belongs to, in the original."""
        found = {}
        for line, span in spans_of(self.source.code, texts=True).items():
            first, last = (self.source.location(one, 0, one, 0) for one in span)
            at = self.source.location(line, 0, line, 0)
            found[at.cell, at.line] = (first.line, last.line)
        return found
