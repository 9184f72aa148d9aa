"""Findings as the diagnostics of an editor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol import types

from trainlint.finding import Finding, Location, Severity
from trainlint.links import manual_url
from trainlint.lint.files import read_source
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.source import Source
from trainlint.server.documents import uri_of
from trainlint.server.looking import Looked
from trainlint.server.positions import Positions

SOURCE = "trainlint"
_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}
_TAGS = {
    "TRN000": types.DiagnosticTag.Unnecessary,
    "TRN008": types.DiagnosticTag.Unnecessary,
    "TRN811": types.DiagnosticTag.Deprecated,
}


@dataclass(frozen=True)
class Told:
    """One thing that the editor is told of a file; `finding` is None for a problem.

    `source` is the file's, as it was when it was looked at.
    """

    uri: str
    diagnostic: types.Diagnostic
    finding: Finding | None = None
    source: Source | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from all else in its file."""
        start, end = self.diagnostic.range.start, self.diagnostic.range.end
        place = (start.line, start.character, end.line, end.character)
        return (self.diagnostic.code or self.diagnostic.message, *place)


class Places:
    """Where the locations of one look are, for the editor; `open_` are its documents, by path."""

    def __init__(self, looked: Looked, encoding: str, open_: dict[str, str]) -> None:
        self._looked = looked
        self._encoding = encoding
        self._open = open_
        self._positions: dict[str, Positions] = {}

    def range_of(self, at: Location) -> types.Range:
        """What a location covers."""
        return self.positions(at.path).range_of(at)

    def range_of_problem(self, problem: Problem) -> types.Range:
        """Where the document that was looked at could not be read."""
        return self.positions(self._looked.document.path).range_of_problem(problem)

    def place_of(self, at: Location) -> types.Location:
        """The same, with its file."""
        return types.Location(self.uri(at.path), self.range_of(at))

    def uri(self, path: str) -> str:
        """What the editor calls a file."""
        document = self._looked.document
        if path == document.path:
            return document.uri
        return self._open.get(os.path.realpath(path)) or uri_of(path)

    def positions(self, path: str) -> Positions:
        """The places of a file's text as it was when it was looked at."""
        if path not in self._positions:
            self._positions[path] = Positions(self._text(path), self._encoding)
        return self._positions[path]

    def _text(self, path: str) -> str:
        document, source = self._looked.document, self._looked.sources.get(path)
        if path == document.path:
            return document.text
        try:
            return source.text if source is not None else read_source(path).text
        except Unreadable:
            return ""


def told_of(looked: Looked, places: Places) -> Iterator[tuple[str, Told]]:
    """All that is told of a look, each with the real path of the file that it lies in."""
    document = looked.document
    for problem in looked.problems:
        yield document.real, Told(document.uri, _of_problem(problem, places))
    for finding in looked.findings:
        path = finding.location.path
        if not finding.location.cell:
            real = document.real if path == document.path else os.path.realpath(path)
            source = looked.sources.get(path)
            yield real, Told(places.uri(path), _of_finding(finding, places), finding, source)


def _of_finding(finding: Finding, places: Places) -> types.Diagnostic:
    """A finding, for the editor."""
    tag = _TAGS.get(finding.code)
    return types.Diagnostic(
        range=places.range_of(finding.location),
        message=finding.message,
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        code_description=types.CodeDescription(manual_url(finding.code)),
        source=SOURCE,
        tags=[tag] if tag is not None else None,
        related_information=[
            types.DiagnosticRelatedInformation(places.place_of(one.location), one.label)
            for one in finding.related
        ]
        or None,
    )


def _of_problem(problem: Problem, places: Places) -> types.Diagnostic:
    """What could not be checked, for the editor: it has no code."""
    text = problem.message if problem.hint is None else f"{problem.message} ({problem.hint})"
    return types.Diagnostic(
        range=places.range_of_problem(problem),
        message=text,
        severity=types.DiagnosticSeverity.Error,
        source=SOURCE,
    )
