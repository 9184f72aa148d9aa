"""The second look at a run: the first operation whose result is not finite though its input is."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import trainlint
from run_builder import BACKWARD, SCRIPT, found, new_run, step
from watched import OFFSET, watch, write

from trainlint.runtime_checks.origin import first_trouble, repeats
from trainlint.runtime_checks.record import NonFinite, Origin, Site

NET = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 1)
        def forward(self, x):
            h = torch.relu(self.a(x))
            return {out}
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    for i in range(16):
        x = torch.randn(8, 4)
        {change}
        loss = {loss}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
PLAIN = {"out": "self.b(h)", "change": "pass", "loss": "net(x).square().mean()"}
CASES = {
    "log of 0": (
        {"out": "torch.log(self.b(h).abs() * (x[:, :1] > 5))"},
        ("forward", "log", 7, "Net"),
    ),
    "division by 0": (
        {"loss": "net(x).square().sum() / (0.0 if i == 6 else 1.0)"},
        ("forward", "div", 13, ""),
    ),
    "overflow in a layer": (
        {"change": "x = x * (1e38 if i == 6 else 1.0)", "loss": "net(x).square().mean()"},
        ("forward", "square", 13, ""),
    ),
    "the gradient of a root at 0": (
        {"loss": "(net(x) * (0.0 if i == 6 else 1.0)).square().sum().sqrt()"},
        ("backward", "sqrt", 13, ""),
    ),
    "a bad batch": (
        {"change": "x[2, 1] = float('nan') if i == 6 else 0.0"},
        ("input", "Net", 13, ""),
    ),
    "infinite on purpose": (
        {"out": "self.b(h).masked_fill(x[:, :1] > 0, -torch.inf).exp()"},
        None,
    ),
    "healthy": ({}, None),
}


@pytest.mark.parametrize("name", CASES)
def test_where_it_comes_from(name: str, tmp_path: Path) -> None:
    changed, wanted = CASES[name]
    told = watch(tmp_path, NET.format(**{**PLAIN, **changed}), look_at=0)
    origin = told.run.origin
    if wanted is None:
        assert origin is None
        return
    assert origin is not None
    assert origin.site is not None
    seen = (origin.phase, origin.operation, origin.site.line - OFFSET, origin.module)
    assert seen == wanted


ORIGIN = Origin(3, "forward", "log", Site(SCRIPT, 14), "head (Head)", float("-inf"), [8, 2], 0.0,
                1.5, [0, 1], 0.0)  # fmt: skip


def test_one_finding_says_cause_and_symptom() -> None:
    run = new_run()
    for index in range(12):
        step(run, 1.0, float("nan") if index >= 3 else 1.0)
    run.nonfinite = [NonFinite(3, "loss", [], BACKWARD, float("nan"))]
    assert first_trouble(run) == 3
    run.origin = ORIGIN
    (finding,) = found(run, "RUN105")
    assert finding.message.endswith(
        "it comes from `log` in `head (Head)` (line 14), given 8x2 from 0 to 1.5, which makes -inf "
        "of 0"
    )
    assert [place.location.line for place in finding.related] == [14]
    assert finding.hint is None


def test_no_trouble_needs_no_second_look() -> None:
    run = new_run()
    for _ in range(12):
        step(run)
    assert first_trouble(run) is None
    run.nonfinite = [NonFinite(3, "loss", [], BACKWARD, float("nan"))]
    assert first_trouble(run) is None  # nothing stepped on it


def test_whether_a_run_repeats_another() -> None:
    one, other = new_run(), new_run()
    for index in range(6):
        step(one, 1.0, 1.0 + index)
        step(other, 1.0, 1.0 + index if index < 4 else 0.0)
    assert repeats(one, other, 4)
    assert not repeats(one, other, 5)


@pytest.mark.parametrize("asked", [True, False])
def test_the_command_looks_again(asked: bool, tmp_path: Path) -> None:
    code = NET.format(**{**PLAIN, **CASES["log of 0"][0]})
    script = write(tmp_path, code + "    print('end of the script')\n")
    more = [] if asked else ["--no-second-pass"]
    done = trainlint("run", script, "--output-format", "concise", *more)
    assert ("it comes from `log` in `Net`" in done.stdout) is asked
    assert ("the script was run again, to just past step" in done.stdout) is asked
    assert done.stdout.count("end of the script") == 1
