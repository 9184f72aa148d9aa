"""The rules' cases, which `rule_cases` reads from `cases/`."""

from __future__ import annotations

from pathlib import Path

import pytest
from marked import assert_marked, assert_project
from rule_cases import ALL, ON, Case

from trainlint.registry import RULES, load

# How many cases a rule needs of each kind, its manual's examples not counted.
LEAST = 4


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.code}: {case.title}")
def test_case(case: Case, tmp_path: Path) -> None:
    # A rule that is off by default is asked alone, any other together with all that are on.
    select = () if ON[case.code] else (case.code,)
    if set(case.files) == {""}:
        assert_marked(case.files[""], "case.py", *select)
    else:
        assert_project(tmp_path, case.files, *select)


@pytest.mark.parametrize("code", [entry.code for entry in load(RULES)])
def test_every_rule_has_cases_of_both_kinds(code: str) -> None:
    """In a file of cases, or in a test file of its own."""
    of_rule = [case for case in ALL if case.code == code]
    own = list(Path(__file__).parent.glob(f"test_{code.lower()}_*.py"))
    assert own or sum(case.bad for case in of_rule) >= LEAST
    assert own or sum(not case.bad for case in of_rule) >= LEAST
