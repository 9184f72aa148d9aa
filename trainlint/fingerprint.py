"""What a finding is known by from one commit to the next: not its line number."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from trainlint.finding import Finding
from trainlint.lint.source import Source
from trainlint.reporters.places import from_root, line_text


def fingerprints(findings: Sequence[Finding], sources: Mapping[str, Source]) -> list[str]:
    """One for each finding, in their order, no two the same.

    Made of the code, the path and the text of the line: it stays as it is while lines move, a
    notebook's cells too, and while other lines change. Of equal lines in one file, the first keeps
    the first.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    made = []
    for finding in findings:
        text = line_text(finding.location, sources)
        key = (finding.code, from_root(finding.location.path), text or finding.message)
        parts = "\0".join((*key, str(seen[key])))
        made.append(hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest())
        seen[key] += 1
    return made
