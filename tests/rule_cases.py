"""The rules' cases: `cases/TRN101.txt` holds those of one rule.

    == head                      code that stands before each following case
    == a title                   a case; its `# TRN…` markers name all findings in it
    -- models.py                 a file of a case that has several

The head of a file with several files of its own goes to none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from marked import expected

from trainlint.registry import RULES, load

CASES = Path(__file__).parent / "rules" / "cases"


@dataclass
class Case:
    """One case: the code of each file by its name, `""` for the only one."""

    code: str
    title: str
    files: dict[str, str] = field(default_factory=dict)

    @property
    def bad(self) -> bool:
        """Whether it shows the mistake of its rule."""
        return any(
            (self.code in f"{found}") for text in self.files.values() for found in expected(text)
        )


def cases_of(path: Path) -> Iterator[Case]:
    """The cases of one file."""
    head, case, name = "", None, ""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        opened = re.match(r"(==|--) (.*)", line)
        if opened is None:
            if case is not None:
                case.files[name] = case.files.get(name, "") + line
            continue
        if opened[1] == "--" and case is not None:
            name = opened[2]
            continue
        if case is not None and case.title == "head":
            head = case.files.get("", "")
        elif case is not None:
            yield _with_head(case, head)
        case, name = Case(path.stem, opened[2]), ""
    if case is not None:
        yield _with_head(case, head)


def _with_head(case: Case, head: str) -> Case:
    if set(case.files) == {""}:
        case.files[""] = head + case.files[""]
    else:
        case.files.pop("", None)
    return case


ON = {entry.code: entry.default for entry in load(RULES)}
ALL = [case for path in sorted(CASES.glob("TRN*.txt")) for case in cases_of(path)]
