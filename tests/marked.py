"""Code whose comments name the findings that are expected on their lines."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from trainlint.finding import Finding
from trainlint.lint.asking import check_source
from trainlint.lint.engine import check_paths
from trainlint.lint.source import Source
from trainlint.lint.torch_api import OLDEST_TARGET
from trainlint.selection import Selection

_MARKER = re.compile(r"# ((?:TRN\d{3}\s*)+)$")


def expected(code: str) -> list[tuple[str, int]]:
    """(code, line) of each marker, by line."""
    found = []
    for number, line in enumerate(code.splitlines(), 1):
        marker = _MARKER.search(line)
        found += [(name, number) for name in sorted(marker[1].split())] if marker else []
    return found


def check_text(
    code: str, path: str = "case.py", *select: str, target: str = OLDEST_TARGET
) -> list[Finding]:
    """The findings of the default rules, or of those selected."""
    source = Source.of_bytes(path, textwrap.dedent(code).encode())
    return check_source(source, Selection(select), target)


def assert_marked(
    code: str, path: str = "case.py", *select: str, target: str = OLDEST_TARGET
) -> list[Finding]:
    """Check that the default rules, or those selected, find what the markers say, and no more."""
    code = textwrap.dedent(code).lstrip("\n")
    findings = check_text(code, path, *select, target=target)
    assert [(one.code, one.location.line) for one in findings] == expected(code), findings
    return findings


def assert_project(folder: Path, files: dict[str, str], *select: str) -> list[Finding]:
    """Write files, check their folder, and compare all findings with the markers in them."""
    wanted = []
    for name, text in files.items():
        code = textwrap.dedent(text).lstrip("\n")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
        wanted += [(str(path), line, one) for one, line in expected(code)]
    checked = check_paths([str(folder)], Selection(select))
    assert not checked.problems
    found = [(one.location.path, one.location.line, one.code) for one in checked.findings]
    assert sorted(found) == sorted(wanted), checked.findings
    return checked.findings
