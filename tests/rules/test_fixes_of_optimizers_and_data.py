"""The fixes of the rules on optimizers, schedulers and data, applied to those rules' cases."""

from __future__ import annotations

import pytest
from marked import check_text
from rule_cases import ALL, Case

from trainlint.finding import Finding

# Rules that offer a fix, and whether it is safe.
FIXES = {"TRN515": False, "TRN519": True, "TRN520": True, "TRN601": False, "TRN611": True}

MENDED = [case for case in ALL if case.code in FIXES and case.bad and set(case.files) == {""}]


@pytest.mark.parametrize("case", MENDED, ids=lambda case: f"{case.code}: {case.title}")
def test_fixes_mend(case: Case) -> None:
    """After each fix, its finding is gone and no other has come."""
    before = case.files[""]
    findings = check_text(before, "case.py", case.code)
    for finding in findings:
        if finding.fix is not None:
            assert finding.fix.safe is FIXES[finding.code]
            after = check_text(_mended(before, finding), "case.py", case.code)
            assert len(after) == len(findings) - 1, _mended(before, finding)


@pytest.mark.parametrize("code", FIXES)
def test_a_fix_is_offered(code: str) -> None:
    cases = [case for case in MENDED if case.code == code]
    findings = [one for case in cases for one in check_text(case.files[""], "case.py", code)]
    assert any(one.fix is not None for one in findings)


def _mended(code: str, finding: Finding) -> str:
    data = code.encode()
    assert finding.fix is not None
    for edit in sorted(finding.fix.edits, key=lambda edit: -edit.start):
        data = data[: edit.start] + edit.content.encode() + data[edit.end :]
    return data.decode()
