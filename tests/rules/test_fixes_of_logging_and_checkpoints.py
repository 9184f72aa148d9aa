"""The fixes of the rules on logging and checkpoints, applied to those rules' cases."""

from __future__ import annotations

import pytest
from marked import check_text
from rule_cases import ALL, Case
from training_cases import mended

# Rules that offer a fix, and whether it is safe.
FIXES = {
    "TRN703": True,
    "TRN709": False,
    "TRN710": True,
    "TRN711": True,
    "TRN717": True,
    "TRN718": False,
}

MENDED = [case for case in ALL if case.code in FIXES and case.bad and set(case.files) == {""}]


@pytest.mark.parametrize("case", MENDED, ids=lambda case: f"{case.code}: {case.title}")
def test_fixes_mend(case: Case) -> None:
    """After each fix, its finding is gone and no other has come."""
    before = case.files[""]
    findings = check_text(before)
    for finding in findings:
        if finding.fix is not None:
            assert finding.fix.safe is FIXES[finding.code]
            after = check_text(mended(before, finding))
            assert len(after) == len(findings) - 1, mended(before, finding)


@pytest.mark.parametrize("code", FIXES)
def test_a_fix_is_offered(code: str) -> None:
    cases = [case for case in MENDED if case.code == code]
    findings = [one for case in cases for one in check_text(case.files[""])]
    assert any(one.fix is not None for one in findings if one.code == code)
