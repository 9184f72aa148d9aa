"""`trainlint check --add-ignore`: a suppression for each finding that stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainlint.directives import UNUSED
from trainlint.finding import Finding, Fix
from trainlint.fixing import Fixing, Look
from trainlint.ignoring import ignore_fixes
from trainlint.lint.engine import Checked
from trainlint.lint.files import Unwritten
from trainlint.reporters.text import count


class Ignoring:
    """A look whose findings have suppressions for fixes; it remembers the fixes of their own."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._own: dict[Finding, Finding] = {}

    def __call__(self, paths: Sequence[str], unwritten: Unwritten) -> tuple[Checked, list[Finding]]:
        checked, findings = self._look(paths, unwritten)
        by_path: dict[str, list[Finding]] = {}
        for finding in findings:
            by_path.setdefault(finding.location.path, []).append(finding)
        fixes: dict[Finding, Fix] = {}
        for path, of_file in by_path.items():
            if path in checked.sources:
                fixes.update(ignore_fixes(checked.sources[path], of_file))
        told = [replace(finding, fix=fixes.get(finding)) for finding in findings]
        self._own = dict(zip(told, findings, strict=True))
        return checked, told

    def restored(self, findings: Sequence[Finding]) -> list[Finding]:
        """What the last look found, with the fixes that the rules have for it."""
        return [self._own[finding] for finding in findings]


def ignored_line(fixing: Fixing, left: Sequence[Finding], *, diff: bool) -> str:
    """How many suppressions were written, and what is left without one."""
    edits = [
        {edit for one in found if one.fix for edit in one.fix.edits}
        for found in fixing.fixed.values()
    ]
    verb = "Would add" if diff else "Added"
    lines = [f"{verb} {count(sum(map(len, edits)), 'suppression')}."]
    unused = sum(finding.code == UNUSED for finding in left)
    if len(left) > unused:
        lines.append(f"{count(len(left) - unused, 'mistake')} left, where no comment can be put.")
    if unused:
        lines.append(f"{count(unused, 'unused suppression')} left, for `--fix` to take away.")
    return "\n".join(lines) + "\n"
