"""Checking one open document, as `trainlint check` would if all that is open were saved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainlint.commands.settings import Settings, SettingsError, load_settings
from trainlint.finding import Finding
from trainlint.fixing import fix_all
from trainlint.lint.engine import Checked, check_paths
from trainlint.lint.files import Unwritten, is_passed_over
from trainlint.lint.problem import Problem
from trainlint.lint.project import Project
from trainlint.lint.source import Source
from trainlint.server.documents import Document


@dataclass(frozen=True)
class Looked:
    """What a look at a document came to; a finding can lie in a file that the document imports."""

    document: Document
    findings: Sequence[Finding] = ()
    problems: Sequence[Problem] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    digest: bytes = b""  # of all the text that the answer was read from


def look(
    document: Document, unwritten: Unwritten, top: str, before: Looked | None = None
) -> Looked:
    """Check a document; `before` is the answer where nothing changed that it was read from.

    `top` is the folder that the editor has open around it.
    """
    unwritten = {**unwritten, **document.unwritten}
    digest = _digest(document, unwritten)
    if before is not None and before.digest == digest:
        return before
    if is_passed_over(document.path, top):
        return Looked(document, digest=digest)
    try:
        settings = _settings(document)
        checked, findings = _check(document, settings, unwritten)
    except SettingsError as error:
        return Looked(document, problems=[_of_settings(document, error)], digest=digest)
    return Looked(document, findings, checked.problems, checked.sources, digest)


def fixed_text(document: Document, unwritten: Unwritten) -> str:
    """The text of a document with all that safe fixes can mend."""

    def look_again(_: Sequence[str], known: Unwritten) -> tuple[Checked, list[Finding]]:
        return _check(document, settings, known)

    try:
        settings = _settings(document)
        known = {**unwritten, **document.unwritten}
        fixing, _, _ = fix_all([document.named], look_again, False, known, document.path)
    except SettingsError:
        return document.text
    data = fixing.unwritten.get(document.real)
    return document.text if data is None else data.decode(fixing.before[document.real].encoding)


def _check(
    document: Document, settings: Settings, unwritten: Unwritten
) -> tuple[Checked, list[Finding]]:
    checked = check_paths(
        [document.named],
        settings.selection,
        settings.exclude,
        settings.target_torch,
        None if document.on_disk else document.path,
        settings,
        unwritten,
    )
    return checked, settings.judged(checked)


def _settings(document: Document) -> Settings:
    """The settings of the nearest configuration, read anew; what it excludes is left alone."""
    return load_settings(document.path, None, (), (), force_exclude=True)


def _of_settings(document: Document, error: SettingsError) -> Problem:
    text = error.message.removeprefix("error: ")
    return Problem(document.path, f"not checked, for the configuration cannot be used: {text}")


def _digest(document: Document, unwritten: Unwritten) -> bytes:
    digest = hashlib.sha256()
    for data in Project(unwritten).reached(document.path, document.data):
        digest.update(b"%d:" % len(data) + data)
    return digest.digest()
