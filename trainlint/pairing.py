"""Joins what reading found with what the run found.

A detector names the rules that it confirms. Joined on rule and statement, a static finding gets
its verdict; a finding of the run that only says the same again is merged into it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace

from trainlint.finding import Evidence, Finding, Location, Related, Verdict
from trainlint.registry import DETECTORS, load
from trainlint.runtime_checks.detection import Judgement
from trainlint.runtime_checks.detectors.script_raised import CALL_RULES, FAILURES, NAME_RULES
from trainlint.runtime_checks.record import Site
from trainlint.runtime_checks.run import Run
from trainlint.statements import spans

# A place that can be compared: the real path, and the first line of the statement.
Place = tuple[str, int]


def pair(
    static: Iterable[Finding], judgement: Judgement, run: Run, script: str | None = None
) -> list[Finding]:
    """All findings in reading order: the static ones with a verdict, and what only the run found.

    A static finding keeps no verdict where the run cannot tell: its lines ran, and no detector
    speaks of its rule. `script` is how the user spells the script's path: the run knows only
    absolute ones.
    """
    joined = _Join(judgement, run)
    told = [joined.judge(finding) for finding in static]
    alone = [finding for finding in judgement.findings if finding not in joined.merged]
    spelling = _spelling(told, script)
    return sorted(
        [*told, *(_spelled(finding, spelling) for finding in alone)],
        key=lambda finding: finding.sort_key,
    )


class _Join:
    """One judgement, asked for each static finding in turn; `merged` are its findings used up."""

    def __init__(self, judgement: Judgement, run: Run) -> None:
        self.judgement = judgement
        self.merged: list[Finding] = []
        self.confirms = {entry.code: entry.confirms for entry in load(DETECTORS)}
        self.ran = _of_sites(
            Site(path, line) for path, lines in run.lines.items() for line in lines
        )
        self.has_all_lines = run.has_all_lines
        self.spoken = [
            (one, None if one.sites is None else _of_sites(one.sites))
            for one in judgement.witnesses
        ]
        frames = run.raised.frames if run.raised else []
        self.broken = _of_sites(Site(frame.path, frame.line) for frame in frames)

    def judge(self, finding: Finding) -> Finding:
        """The finding with its verdict, if there is one."""
        partners = [one for one in self.judgement.findings if self._confirms(one, finding)]
        self.merged += partners
        if partners:
            facts = tuple(fact for one in partners for fact in one.evidence)
            return _with(finding, Verdict.CONFIRMED, facts)
        at = _place_of(finding.location)
        spoken = [
            one
            for one, places in self.spoken
            if one.rule == finding.code and (places is None or at in places)
        ]
        for verdict in (Verdict.CONFIRMED, Verdict.NOT_REACHED):
            for one in spoken:
                if one.verdict is verdict:
                    return _with(finding, verdict, one.evidence)
        if self._reached(finding) is False:
            return _with(finding, Verdict.NOT_REACHED, ())
        if spoken and at not in self.broken:
            return _with(finding, spoken[0].verdict, spoken[0].evidence)
        return finding

    def _confirms(self, one: Finding, finding: Finding) -> bool:
        if finding.code not in self.confirms.get(one.code, ()):
            return False
        if _place_of(one.location) not in _places(finding):
            return False
        return _same_name(one, finding) and _same_exception(one, finding)

    def _reached(self, finding: Finding) -> bool | None:
        """Whether its line ran; None where that is not known, or where no code stands there.

        A claim stands in a comment: then the code that belongs to it counts.
        """
        related = [place.location for place in finding.related]
        places = [finding.location] if _is_code(finding.location) else related
        codes = [_place_of(at) for at in places if _is_code(at)]
        if not self.ran or not codes:
            return None
        if any(place in self.ran for place in codes):
            return True
        return False if self.has_all_lines else None


def _with(finding: Finding, verdict: Verdict, facts: tuple[Evidence, ...]) -> Finding:
    return replace(finding, verdict=verdict, evidence=(*finding.evidence, *facts))


def _same_name(one: Finding, finding: Finding) -> bool:
    """Of an undefined name, only an exception about that name is a confirmation."""
    if finding.code not in NAME_RULES:
        return True
    names = [fact.value for fact in one.evidence if fact.quantity == "undefined name"]
    return any(name in names for name in re.findall(r"`([^`]*)`", finding.message))


def _same_exception(one: Finding, finding: Finding) -> bool:
    """Of a call that cannot work, only an exception of its kind, or that says so, confirms it."""
    kinds = [str(fact.value) for fact in one.evidence if fact.quantity == "exception"]
    if kinds and finding.code in FAILURES:
        return any(text in one.message for text in FAILURES[finding.code])
    if finding.code not in CALL_RULES:
        return True
    return any(kind.rpartition(".")[2] in ("TypeError", "ValueError") for kind in kinds)


def _places(finding: Finding) -> set[Place]:
    related = (place.location for place in finding.related)
    return {_place_of(at) for at in (finding.location, *related)}


def _place_of(at: Location) -> Place:
    return _place(os.path.realpath(at.path), at.line)


def _place(real: str, line: int) -> Place:
    return real, spans(real).get(line, (line, line))[0]


def _of_sites(sites: Iterable[Site]) -> set[Place]:
    """The places of many lines, each path resolved once."""
    lines: dict[str, set[int]] = {}
    for site in sites:
        lines.setdefault(site.path, set()).add(site.line)
    real = {path: os.path.realpath(path) for path in lines}
    return {_place(real[path], line) for path, some in lines.items() for line in some}


def _is_code(at: Location) -> bool:
    return at.line in spans(os.path.realpath(at.path))


def _spelling(static: Iterable[Finding], script: str | None) -> dict[str, str]:
    """How the user spells the files of which the run knows the absolute paths."""
    paths = [finding.location.path for finding in static]
    if script is not None:
        paths.append(os.path.normpath(script))
    return {os.path.realpath(path): path for path in reversed(paths)}


def _spelled(finding: Finding, spelling: dict[str, str]) -> Finding:
    def spell(at: Location) -> Location:
        return replace(at, path=spelling.get(os.path.realpath(at.path)) or _near(at.path))

    related = tuple(Related(spell(one.location), one.label) for one in finding.related)
    return replace(finding, location=spell(finding.location), related=related)


def _near(path: str) -> str:
    """A path below the working directory is shown from there."""
    if not os.path.isabs(path):
        return path
    inside = os.path.relpath(path)
    return path if inside.startswith(os.pardir) else inside
