"""Every rule's manual, run: `Bad` gives what its markers say, `Good` gives nothing."""

from __future__ import annotations

import pytest
from marked import expected

from trainlint.lint.asking import check_source
from trainlint.lint.source import Source
from trainlint.manual import Example
from trainlint.registry import DETECTORS, RULES, Entry, load
from trainlint.selection import Selection

EXAMPLES = [
    pytest.param(entry, example, id=f"{entry.code}-{'bad' if example.bad else 'good'}{index}")
    for entry in load(RULES)
    for index, example in enumerate(entry.manual.examples)
]


@pytest.mark.parametrize(("entry", "example"), EXAMPLES)
def test_example(entry: Entry, example: Example) -> None:
    select = () if entry.default else (entry.code,)
    source = Source.of_bytes("example.py", example.code.encode())
    findings = check_source(source, Selection(select))
    assert [(one.code, one.location.line) for one in findings] == expected(example.code)
    if example.bad:
        assert entry.code in {one.code for one in findings}
    else:
        assert not findings


@pytest.mark.parametrize("entry", load(RULES), ids=lambda entry: entry.code)
def test_every_rule_shows_both(entry: Entry) -> None:
    kinds = {example.bad for example in entry.manual.examples}
    assert kinds == {True, False}
    assert entry.manual.summary.endswith(".")
    assert entry.manual.explanation
    assert entry.manual.source


@pytest.mark.parametrize("entry", load(DETECTORS), ids=lambda entry: entry.code)
def test_every_detector_explains_itself(entry: Entry) -> None:
    assert entry.manual.summary.endswith(".")
    assert entry.manual.explanation
    codes = {rule.code for rule in load(RULES)}
    # Rules that a detector is ready to confirm may come later than the detector.
    assert all(code in codes or code.startswith("TRN") for code in entry.confirms)
