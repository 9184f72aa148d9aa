"""Static findings and a run's, joined on rule and statement."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainlint.finding import Finding, Location, Related, Severity, Verdict
from trainlint.pairing import pair
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.record import (
    Clip,
    End,
    Frame,
    Log,
    OptimizerInfo,
    Pass,
    Raised,
    Site,
    Start,
    Step,
)
from trainlint.runtime_checks.run import Run

SOURCE = '''\
"""Clips gradients."""
import torch
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return F.relu(x)

optimizer = torch.optim.SGD(net.parameters())
for epoch in range(3):
    for i, x in enumerate(data):
        loss = net(x)
        loss.backward()
        # clip the gradients
        optimizer.step()
        writer.add_scalar(
            "loss",
            loss,
            epoch * len(data),
        )
net.eval()
'''


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text(SOURCE)
    return str(path)


def finding(code: str, path: str, line: int, message: str = "", *related: int) -> Finding:
    places = tuple(Related(Location(path, other), "also here") for other in related)
    return Finding(code, "x", message, Severity.ERROR, Location(path, line, 3), places)


def run_of(path: str, *, ran: range = range(1, 22), steps: int = 8, reason: str = "steps") -> Run:
    run = Run(Start(path, [], "2", "3", "cpu", 9, 9.0), End(reason, steps, 1.0))
    run.optimizers[1] = OptimizerInfo(1, "SGD", Site(path, 9), ["?"], [])
    run.lines = {path: set(ran)}
    run.steps = [
        Step(i, i, 1, Site(path, 15), 0.1, [0.1], 1.0, 1.0, 1.0, None, 1, 1, False, 1)
        for i in range(steps)
    ]
    return run


def raises(run: Run, kind: str, name: str | None, line: int, text: str = "it failed") -> Run:
    assert run.start is not None
    run.raised = Raised(0, kind, text, [Frame(run.start.script, line, "<module>")], name)
    return run


def paired(static: list[Finding], run: Run) -> list[Finding]:
    return pair(static, judge(run), run)


def default(findings: list[Finding]) -> list[tuple[str, str | None]]:
    return [
        (one.code, one.verdict.value if one.verdict else None)
        for one in findings
        if one.severity is not Severity.INFO
    ]


def test_a_name_error_confirms_the_finding_on_its_name(script: str) -> None:
    run = raises(run_of(script, ran=range(1, 7), steps=0), "NameError", "net", 9)
    static = [
        finding("TRN001", script, 9, "`net` is used, but nothing binds it", 12, 21),
        finding("TRN002", script, 7, "`F` is used, but `torch.nn.functional` is never imported"),
    ]
    both = paired(static, run)
    assert default(both) == [("TRN002", "not reached"), ("TRN001", "confirmed")]
    assert ("undefined name", "net") in {(e.quantity, e.value) for e in both[-1].evidence}


def test_a_name_error_at_a_later_use_confirms_too(script: str) -> None:
    run = raises(run_of(script), "NameError", "net", 21)
    static = [finding("TRN001", script, 9, "`net` is used, but nothing binds it", 12, 21)]
    assert default(paired(static, run)) == [("TRN001", "confirmed")]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("TypeError", [("TRN519", "confirmed")]),
        ("RuntimeError", [("RUN001", None), ("TRN519", None)]),
    ],
)
def test_a_call_that_raised_confirms_that_it_cannot_work(
    script: str, kind: str, told: list[tuple[str, str | None]]
) -> None:
    run = raises(run_of(script, ran=range(1, 10), steps=0), kind, None, 9)
    static = [finding("TRN519", script, 9, "`net` is a module")]
    assert default(paired(static, run)) == told


@pytest.mark.parametrize(("kind", "name"), [("NameError", "data"), ("ValueError", None)])
def test_another_exception_on_the_line_stands_alone(
    script: str, kind: str, name: str | None
) -> None:
    run = raises(run_of(script, ran=range(1, 12), steps=0), kind, name, 9)
    static = [finding("TRN001", script, 9, "`net` is used, but nothing binds it")]
    assert default(paired(static, run)) == [("RUN001", None), ("TRN001", None)]


def test_a_line_that_ran_to_its_end_speaks_against_its_names(script: str) -> None:
    static = [finding("TRN001", script, 9, "`net` is used, but nothing binds it")]
    (one,) = paired(static, run_of(script))
    assert one.verdict is Verdict.NOT_REPRODUCED
    assert one.evidence


def test_without_known_lines_nothing_is_said(script: str) -> None:
    run = run_of(script)
    run.lines = {}
    static = [finding("TRN001", script, 9, "`net` is used, but nothing binds it")]
    assert default(paired(static, run)) == [("TRN001", None)]


@pytest.mark.parametrize("line", [1, 14])
def test_claimed_clipping(script: str, line: int) -> None:
    static = [finding("TRN201", script, line, "the comment says", 13, 15)]
    (one,) = paired(static, run_of(script))
    assert one.verdict is Verdict.CONFIRMED
    assert [fact.value for fact in one.evidence] == [0, 8]
    clipped = run_of(script)
    clipped.clips = [
        Clip(i, Site("/lib/mine.py", 3), "norm", 1.0, 5.0, 1, [1], backwards=1) for i in range(8)
    ]
    (one,) = paired(static, clipped)
    assert one.verdict is Verdict.NOT_REPRODUCED
    early = run_of(script, ran=range(1, 9), steps=0)
    assert default(paired(static, early)) == [("TRN201", "not reached")]


def test_a_step_logged_in_another_line_of_the_call(script: str) -> None:
    static = [finding("TRN701", script, 19, "stands still", 11)]
    run = run_of(script)
    run.logs = [Log(i, Site(script, 16), "loss", i // 4 * 4, 1) for i in range(8)]
    (one,) = paired(static, run)
    assert one.verdict is Verdict.CONFIRMED
    assert {fact.quantity for fact in one.evidence} >= {"global_step"}
    run.logs = [Log(i, Site(script, 16), "loss", i, 1) for i in range(8)]
    assert default(paired(static, run)) == [("TRN701", "not reproduced")]
    assert default(paired(static, run_of(script, ran=range(1, 14)))) == [("TRN701", "not reached")]
    run.logs = run.logs[:1]
    assert default(paired(static, run)) == [("TRN701", None)]


def test_a_step_that_starts_again_in_each_epoch(script: str) -> None:
    static = [finding("TRN703", script, 19, "starts again", 11)]
    run = run_of(script)
    run.passes = [Pass(i, Site(script, 11), 1, 2, 4, True) for i in (0, 2, 4, 6)]
    run.logs = [Log(i, Site(script, 16), "loss", i % 2, 1) for i in range(8)]
    (one,) = paired(static, run)
    assert one.verdict is Verdict.CONFIRMED
    assert {fact.quantity for fact in one.evidence} >= {"global_step", "falls"}
    run.logs = [Log(i, Site(script, 16), "loss", i, 1) for i in range(8)]
    assert default(paired(static, run)) == [("TRN703", "not reproduced")]
    run.logs = run.logs[:2]
    assert default(paired(static, run)) == [("TRN703", None)]
    assert default(paired(static, run_of(script, ran=range(1, 14)))) == [("TRN703", "not reached")]


def test_a_finding_of_the_run_without_a_partner_stands_alone(script: str) -> None:
    run = run_of(script)
    run.logs = [Log(i, Site(script, 16), "loss", 0, 1) for i in range(8)]
    other = finding("TRN701", script, 21, "stands still")
    assert default(paired([other], run)) == [("RUN701", None), ("TRN701", None)]


@pytest.mark.parametrize("code", ["TRN101", "TRN103"])
def test_stale_gradients_join_on_the_step(script: str, code: str) -> None:
    run = run_of(script)
    run.steps = [Step(**{**vars(step), "stale": step.step > 0}) for step in run.steps]
    assert default(paired([finding(code, script, 15)], run)) == [(code, "confirmed")]
    assert default(paired([finding(code, script, 15)], run_of(script))) == [
        (code, "not reproduced")
    ]


@pytest.mark.parametrize("code", ["TRN102", "TRN105", "TRN107"])
def test_steps_without_gradients_join_on_the_step(script: str, code: str) -> None:
    run = run_of(script)
    run.steps = [Step(**{**vars(step), "with_grad": 0}) for step in run.steps]
    static = [finding(code, script, 14, "", 15)]
    assert default(paired(static, run)) == [(code, "confirmed")]
    at_step = [finding(code, script, 15)]
    assert default(paired(at_step, run)) == [(code, "confirmed")]
    assert default(paired(at_step, run_of(script))) == [(code, "not reproduced")]


def test_what_torch_says_confirms_the_finding_on_its_line(script: str) -> None:
    static = [finding("TRN111", script, 13)]
    twice = "Trying to backward through the graph a second time (or directly access saved tensors"
    run = raises(run_of(script, ran=range(1, 14), steps=0), "RuntimeError", None, 13, twice)
    assert default(paired(static, run)) == [("TRN111", "confirmed")]
    run = raises(run_of(script, ran=range(1, 14), steps=0), "RuntimeError", None, 13)
    assert default(paired(static, run)) == [("RUN001", None), ("TRN111", None)]
    assert default(paired(static, run_of(script))) == [("TRN111", "not reproduced")]


def test_rules_that_no_detector_knows_can_still_be_unreached(script: str) -> None:
    static = [finding("TRN999", script, 21), finding("TRN999", script, 9)]
    run = run_of(script, ran=range(1, 16))
    assert default(paired(static, run)) == [("TRN999", None), ("TRN999", "not reached")]


def test_comments_never_run_and_are_never_unreached(script: str) -> None:
    assert default(paired([finding("TRN999", script, 1)], run_of(script))) == [("TRN999", None)]


def test_paths_are_shown_as_the_user_spells_them(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(script).parent
    monkeypatch.chdir(folder)
    run = raises(run_of(script, steps=0), "ValueError", None, 9)
    run.start = Start(script, [], "2", "3", "cpu", 9, 9.0)
    run.raised = Raised(0, "ValueError", "", [Frame(script, 9, "<module>")])
    assert {one.location.path for one in paired([], run)} == {"train.py"}
    outside = f"../{folder.name}/train.py"
    shown = pair([], judge(run), run, outside)
    assert {one.location.path for one in shown} == {outside}
    helper = folder / "helper.py"
    helper.write_text("x = 1\n")
    run.lines[str(helper)] = {1}
    run.raised = Raised(0, "ValueError", "", [Frame(str(helper), 1, "<module>")])
    assert "helper.py" in {one.location.path for one in paired([], run)}


def test_a_static_finding_by_a_relative_path_is_joined(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(script).parent)
    run = raises(run_of(script, steps=0), "NameError", "net", 9)
    static = [finding("TRN001", "train.py", 9, "`net` is used, but nothing binds it")]
    assert default(paired(static, run)) == [("TRN001", "confirmed")]


def test_a_file_that_is_gone_or_no_python_is_joined_by_line(tmp_path: Path) -> None:
    path = str(tmp_path / "gone.py")
    run = raises(run_of(path, steps=0), "NameError", "net", 9)
    static = [finding("TRN001", path, 9, "`net` is used, but nothing binds it")]
    assert default(paired(static, run)) == [("TRN001", "confirmed")]
