"""How a check is told and ends: `--quiet`, `--exit-zero`, `--fix-only` and the like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from trainlint.commands.fix import Outcome
from trainlint.reporters.output import Rendered
from trainlint.reporters.report import Report
from trainlint.reporters.text import count


@dataclass(frozen=True)
class Manner:
    """What the command line asks of the report and of the exit code."""

    fix_only: bool = False
    show_fixes: bool = False
    exit_zero: bool = False
    exit_non_zero_on_fix: bool = False
    quiet: bool = False
    silent: bool = False

    def told(self, report: Report) -> Report:
        """What is to be told: of fixes alone, nothing that is left."""
        return replace(report, findings=()) if self.fix_only else report

    def worded(self, rendered: Rendered, outcome: Outcome) -> Rendered:
        """A report with as many words around it as are wanted."""
        last = rendered.last
        if self.fix_only and not rendered.last_beside:
            last = f"Fixed {count(outcome.fixed, 'mistake')}.\n" if rendered.human else ""
        if self.show_fixes and rendered.human:
            last = "".join(_fixes(outcome)) + last
        if self.quiet or self.silent:
            last = ""
        return replace(rendered, body="" if self.silent else rendered.body, last=last)

    def exit_code(self, outcome: Outcome, problems: bool, *, diff: bool) -> int:
        """2 where something could not be checked, 1 for findings, or for fixes where asked."""
        if problems:
            return 2
        if self.exit_zero:
            return 0
        changed = outcome.would_change and (diff or self.exit_non_zero_on_fix)
        left = bool(outcome.findings) and not (diff or self.fix_only)
        return int(changed or left)


PLAINLY = Manner()
# The options that say it.
MANNERS = tuple(field.name for field in fields(Manner))


def _fixes(outcome: Outcome) -> Iterator[str]:
    """How often which rule was fixed in which file."""
    fixing = outcome.fixing
    if fixing is None or not fixing.count:
        return
    yield f"Fixed {count(fixing.count, 'mistake')}:\n"
    for found in sorted(fixing.fixed.values(), key=lambda found: found[0].location.path):
        yield f"- {found[0].location.path}:\n"
        kinds = Counter((one.code, one.name) for one in found)
        for (code, name), times in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])):
            yield f"    {times} × {code} ({name})\n"
    yield "\n"
