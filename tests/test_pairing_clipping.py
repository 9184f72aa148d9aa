"""Clipping and gradient scalers: what a run says of what reading found."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainlint.finding import Finding, Location, Severity, Verdict
from trainlint.pairing import pair
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.record import Clip, End, Frame, Raised, Site, Start
from trainlint.runtime_checks.run import Run

SOURCE = """\
import torch
for x in data:
    optimizer.zero_grad()
    scaler.scale(model(x).mean()).backward()
    torch.nn.utils.clip_grad_norm_(
        model.parameters(), 1.0
    )
    scaler.step(optimizer)
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text(SOURCE)
    return str(path)


def finding(code: str, path: str, line: int) -> Finding:
    return Finding(code, "x", "", Severity.ERROR, Location(path, line, 5), ())


def run_of(path: str) -> Run:
    run = Run(Start(path, [], "2", "3", "cpu", 9, 9.0), End("steps", 8, 1.0))
    run.lines = {path: set(range(1, 9))}
    return run


def paired(code: str, path: str, line: int, run: Run) -> Finding:
    """The static finding after pairing; what confirms it is not told a second time."""
    findings = pair([finding(code, path, line)], judge(run), run)
    (one,) = [each for each in findings if each.severity is not Severity.INFO]
    return one


def clip(path: str, step: int, tensors: int, *, backwards: int, scaled: bool) -> Clip:
    return Clip(
        step, Site(path, 6), "norm", 1.0, 5.0, tensors, [1], backwards=backwards, scaled=scaled
    )


@pytest.mark.parametrize(
    ("code", "tensors", "backwards", "scaled"),
    [
        ("TRN202", 2, 0, False),
        ("TRN203", 0, 0, False),
        ("TRN204", 2, 1, True),
        ("TRN205", 0, 1, False),
        ("TRN208", 0, 0, False),
    ],
)
def test_clipping_without_effect(
    script: str, code: str, tensors: int, backwards: int, scaled: bool
) -> None:
    run = run_of(script)
    run.clips = [
        clip(script, step, tensors, backwards=backwards, scaled=scaled) for step in range(1, 8)
    ]
    one = paired(code, script, 5, run)
    assert one.verdict is Verdict.CONFIRMED
    assert "clipping calls without effect" in {fact.quantity for fact in one.evidence}


@pytest.mark.parametrize("code", ["TRN209", "TRN210", "TRN213"])
def test_a_scaler_that_raises(script: str, code: str) -> None:
    run = run_of(script)
    run.raised = Raised(1, "RuntimeError", "step() has already been called since the last"
                        " update().", [Frame(script, 8, "<module>")])  # fmt: skip
    one = paired(code, script, 8, run)
    assert one.verdict is Verdict.CONFIRMED


def test_a_model_in_place_of_its_parameters(script: str) -> None:
    run = run_of(script)
    run.raised = Raised(
        0, "TypeError", "'Linear' object is not iterable", [Frame(script, 6, "<module>")]
    )
    one = paired("TRN219", script, 6, run)
    assert one.verdict is Verdict.CONFIRMED
