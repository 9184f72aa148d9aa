"""How a rule is written: a generator over the `Script`, with its manual as its docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from trainlint.finding import Confidence, Finding, Fix, Location, Related, Severity
from trainlint.lint.model import Script, Site
from trainlint.registry import Entry, make_entry, register

Rule = Callable[[Script], Iterable[Finding]]


def rule(
    code: str,
    severity: Severity = Severity.WARNING,
    *,
    default: bool | None = None,
    needs: tuple[bytes, ...] = (),
    confidence: Confidence = Confidence.HIGH,
) -> Callable[[Rule], Rule]:
    """Register a rule under a code; `needs` names bytes one of which a source must hold.

    It is on by default unless it only advises (`Severity.INFO`) or its confidence is not high.
    """

    def decorate(function: Rule) -> Rule:
        entry = make_entry(
            function, code, severity, default=default, needs=needs, confidence=confidence
        )
        register(entry)
        return function

    return decorate


def found(
    at: Site | Location,
    message: str,
    *,
    related: Iterable[tuple[Site | Location, str]] = (),
    hint: str | None = None,
    fix: Fix | None = None,
) -> Finding:
    """A finding at a place; the registry stamps its code, name and severity on it."""
    places = tuple(Related(_location(place), label) for place, label in related)
    return Finding("", "", message, Severity.WARNING, _location(at), places, hint, fix)


def _location(at: Site | Location) -> Location:
    return at.location if isinstance(at, Site) else at


def apply_rule(entry: Entry, script: Script) -> Iterator[Finding]:
    """The findings of one rule, stamped, each place once."""
    seen: set[Location] = set()
    for finding in entry.function(script):
        if finding.location not in seen:
            seen.add(finding.location)
            yield replace(finding, code=entry.code, name=entry.name, severity=entry.severity)
