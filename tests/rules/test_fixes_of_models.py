"""The fixes of the rules on models, applied to those rules' cases."""

from __future__ import annotations

import pytest
from marked import check_text
from rule_cases import ALL, Case
from training_cases import mended

# Rules that offer a fix, and whether it is safe.
FIXES = {"TRN804": False}

MENDED = [case for case in ALL if case.code in FIXES and case.bad and set(case.files) == {""}]


@pytest.mark.parametrize("case", MENDED, ids=lambda case: f"{case.code}: {case.title}")
def test_fixes_mend(case: Case) -> None:
    """After each fix, its finding is gone and no other has come."""
    before = case.files[""]
    findings = check_text(before)
    assert findings
    for finding in findings:
        assert finding.fix is not None
        assert finding.fix.safe is FIXES[finding.code]
        after = check_text(mended(before, finding))
        assert len(after) == len(findings) - 1, mended(before, finding)
