"""What loss functions are given: RUN401 to RUN405."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from run_builder import SCRIPT, found, ordinary, reason, state
from watched import watch

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.record import Broadcast, LossCall, Outputs, Site
from trainlint.runtime_checks.run import Run

LOSS = Site(SCRIPT, 19)


def calls(number: int = 10, run: Run | None = None, **changed: Any) -> Run:
    """A healthy run of a classifier of three classes by its logits; any field can be changed."""
    run = run or ordinary()
    values: dict[str, Any] = {
        "site": LOSS,
        "function": "cross_entropy",
        "maker": "Addmm",
        "under": "Relu",
        "input_shape": [32, 3],
        "target_shape": [32],
        "plain": True,
        "loss": 1.0,
        "low": -3.0,
        "high": 4.0,
        "off_one": 5.0,
        "off_zero": 3.0,
        **changed,
    }
    for _ in range(number):
        run.loss_calls.append(LossCall(step=len(run.loss_calls), **values))
    return run


PROBABILITIES: dict[str, Any] = {"maker": "Softmax", "low": 0.0, "high": 1.0, "off_one": 1e-6}


def verdicts(run: Run, rule: str) -> set[Verdict]:
    return {one.verdict for one in judge(run).witnesses if one.rule == rule}


# RUN401


def test_probabilities_into_cross_entropy() -> None:
    (finding,) = found(calls(**PROBABILITIES), "RUN401")
    assert finding.location.line == LOSS.line
    assert "each row sums up to 1" in finding.message
    assert "without the softmax" in (finding.hint or "")


def test_probabilities_of_unknown_making_must_be_exact() -> None:
    assert found(calls(**{**PROBABILITIES, "maker": "Div"}), "RUN401")
    assert not found(calls(**{**PROBABILITIES, "maker": "Div", "off_one": 0.003}), "RUN401")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {**PROBABILITIES, "function": "nll_loss"},
        {**PROBABILITIES, "input_shape": [32, 1]},
        {"maker": "Sigmoid", "low": 0.1, "high": 0.9, "off_one": 0.7},
        {"maker": "Mul", "low": 0.0, "high": 10.0, "off_one": 9.0},
        {"maker": "LogSoftmax", "low": -5.0, "high": -0.1, "off_one": 5.0, "off_zero": 0.0},
    ],
)
def test_no_probabilities_into_cross_entropy(changed: dict[str, Any]) -> None:
    assert not found(calls(**changed), "RUN401")


def test_one_odd_call_is_not_how_the_script_works() -> None:
    run = calls(9, calls(1, **PROBABILITIES))
    assert state(run, "RUN401") == "passed"
    assert reason(calls(2, **PROBABILITIES), "RUN401") == "needs 3 calls, saw 2"
    assert reason(ordinary(), "RUN401").startswith("no loss function of torch's was called")


def test_what_cross_entropy_was_given_answers_the_rules() -> None:
    assert verdicts(calls(), "TRN401") == {Verdict.NOT_REPRODUCED}
    assert verdicts(calls(**PROBABILITIES), "TRN401") == set()
    assert verdicts(calls(), "TRN402") == {Verdict.NOT_REPRODUCED}
    assert verdicts(calls(maker="LogSoftmax"), "TRN402") == {Verdict.CONFIRMED}


# RUN402


@pytest.mark.parametrize(
    ("function", "maker", "bad"),
    [
        ("binary_cross_entropy_with_logits", "Sigmoid", True),
        ("binary_cross_entropy_with_logits", "Softmax", True),
        ("binary_cross_entropy_with_logits", "Addmm", False),
        ("binary_cross_entropy_with_logits", "Sub", False),
        ("binary_cross_entropy", "Sigmoid", False),
        ("multilabel_soft_margin_loss", "Sigmoid", True),
        ("cross_entropy", "Sigmoid", True),
        ("mse_loss", "Sigmoid", False),
    ],
)
def test_a_sigmoid_before_a_loss_of_logits(function: str, maker: str, bad: bool) -> None:
    run = calls(function=function, maker=maker, low=0.1, high=0.9)
    assert bool(found(run, "RUN402")) is bad


# RUN403


@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({"function": "nll_loss"}, "is given logits"),
        ({"function": "nll_loss", **PROBABILITIES}, "is given probabilities"),
        ({"function": "nll_loss", "maker": "Relu", "low": 0.0}, "a ReLU's output"),
        ({"function": "kl_div", **PROBABILITIES}, "is given probabilities"),
        ({"function": "nll_loss", "maker": "LogSoftmax", "high": 0.0}, ""),
        ({"function": "nll_loss", "maker": "Log", "high": 0.001}, ""),
        ({"function": "nll_loss", "maker": "Mul", "high": 3.0}, ""),  # times an advantage
        ({"function": "kl_div", "maker": "Addmm"}, ""),
    ],
)
def test_no_log_probabilities(changed: dict[str, Any], bad: str) -> None:
    findings = found(calls(**changed), "RUN403")
    assert bool(findings) is bool(bad)
    assert all(bad in one.message and one.severity is Severity.ERROR for one in findings)


# RUN404


@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({"under": "Addmm"}, True),
        ({"under": "NativeBatchNorm"}, True),
        ({"under": "CdistForward"}, False),
        ({"function": "mse_loss", "negative": 0.4}, True),
        ({"function": "mse_loss", "negative": 0.02}, False),
        ({"function": "mse_loss", "negative": None}, False),
        ({"function": "nll_loss", "under": "Addmm"}, False),
    ],
)
def test_a_relu_before_the_loss(changed: dict[str, Any], bad: bool) -> None:
    assert bool(found(calls(maker="Relu", low=0.0, **changed), "RUN404")) is bad


# RUN405


@pytest.mark.parametrize(
    ("given", "target", "bad"),
    [
        ([32, 1], [32], True),
        ([32], [32, 1], True),
        ([8, 5, 1], [8, 5], True),
        ([8, 1, 5, 5], [8, 5, 5], True),
        ([32], [32], False),
        ([1, 1], [1], False),
        ([32, 1], [1], False),  # one number for all, as in a GAN
        ([32, 1], [], False),
        ([1, 32], [32], False),
        ([32, 1], [1, 32], False),  # all pairs
        ([32, 4], [4], False),
    ],
)
def test_shapes_that_grow_when_they_meet(given: list[int], target: list[int], bad: bool) -> None:
    run = calls(function="mse_loss", input_shape=given, target_shape=target)
    assert bool(found(run, "RUN405")) is bad
    assert verdicts(run, "TRN414") == (set() if bad else {Verdict.NOT_REPRODUCED})


def test_a_square_computed_by_hand() -> None:
    run = ordinary()
    run.broadcasts.append(Broadcast(1, Site(SCRIPT, 20), "Sub", [32, 1], [32, 32]))
    (finding,) = found(run, "RUN405")
    assert (finding.location.line, finding.severity) == (20, Severity.ERROR)


# The probes.

LOOP = """
x = torch.randn(64, 6)
y = torch.randint(3, (64,))
net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for i in range(40):
    out = net(x)
    {loss}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("loss", "codes"),
    [
        ("loss = F.cross_entropy(out, y)", []),
        ("loss = nn.CrossEntropyLoss()(out.softmax(1), y)", ["RUN401"]),
        ("loss = F.cross_entropy(out.exp() / out.exp().sum(1, keepdim=True), y)", ["RUN401"]),
        ("loss = F.cross_entropy(out.sigmoid().view(64, 3), y)", ["RUN402"]),
        ("loss = F.nll_loss(out, y)", ["RUN403"]),
        ("loss = F.nll_loss(out.log_softmax(1), y)", []),
        ("loss = F.cross_entropy(out.relu(), target=y)", ["RUN404"]),
        ("loss = F.mse_loss(out[:, :1], y.float())", ["RUN405"]),
        ("loss = (out[:, 0] - y[:, None]).square().mean()", ["RUN405"]),
        ("loss = (out[:, 0, None] - out[None, :, 0]).square().mean()", []),
        ("loss = (out[:, 0].unsqueeze(1) - y).square().mean()", []),  # for all pairs
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_losses_are_seen_through(loss: str, codes: list[str], tmp_path: Path) -> None:
    told = watch(tmp_path, LOOP.format(loss=loss))
    assert told.codes == codes
    for code in codes:
        assert told.line(code) == (9 if "square" in loss else 7)


def test_the_labels_and_guesses_are_counted(tmp_path: Path) -> None:
    told = watch(tmp_path, LOOP.format(loss="loss = F.cross_entropy(out, y)"))
    first = told.run.loss_calls[0]
    assert first.labels is not None
    assert sum(first.labels) == 64
    assert first.guesses is not None
    assert sum(first.guesses) == 64
    assert [call.step for call in told.run.loss_calls] == [*range(20), 22, 33]
    assert (first.maker, first.plain) == ("Addmm", True)
    assert first.loss == pytest.approx(told.run.steps[0].loss)


# RUN406, RUN407


def losses(values: list[float], labels: list[int] | None = None, **changed: Any) -> Run:
    """A classifier with these losses at the steps that were looked at."""
    run = ordinary(300)
    for value in values:
        calls(1, run, loss=value, labels=labels or [11, 11, 10], guesses=[11, 11, 10], **changed)
    return run


@pytest.mark.parametrize(
    ("first", "words"),
    [(1.1, ""), (2.0, ""), (2.5, "above the 1.1"), (0.8, ""), (0.3, "below the 1.1")],
)
def test_the_first_loss(first: float, words: str) -> None:
    findings = found(losses([first, 1.0]), "RUN406")
    assert bool(findings) is bool(words)
    assert all(words in one.message and one.severity is Severity.INFO for one in findings)


@pytest.mark.parametrize(
    "changed", [{"plain": False}, {"function": "nll_loss"}, {"labels": [30, 1, 1], "loss": 0.3}]
)
def test_first_losses_that_are_right(changed: dict[str, Any]) -> None:
    values: dict[str, Any] = {"loss": 9.0, "labels": [11, 11, 10], **changed}
    assert not found(calls(5, **values), "RUN406")


STUCK = [1.5, 1.3, 1.2] + [1.1, 1.09] * 24


def test_a_classifier_that_knows_the_shares_only() -> None:
    (finding,) = found(losses(STUCK), "RUN407")
    assert finding.location.line == LOSS.line
    assert "the loss stays at 1.09" in finding.message


@pytest.mark.parametrize(
    "run",
    [
        losses([1.1 * 0.98**i for i in range(48)]),
        losses([2.0 * 0.99**i for i in range(48)]),  # above it, and still falling
        losses([1.1] * 30 + [0.9] * 20),
        losses(STUCK, [31, 1, 0]),
        losses(STUCK, [1, 1, 1], input_shape=[3, 3], target_shape=[3]),  # each its own class
        losses(STUCK, plain=False),
        losses(STUCK[:30]),
    ],
)
def test_classifiers_that_are_not_stuck(run: Run) -> None:
    assert not found(run, "RUN407")


def test_stuck_where_two_play_against_each_other_or_a_cause_is_found() -> None:
    run = losses(STUCK)
    run.optimizers[2] = run.optimizers[1]
    assert reason(run, "RUN407").startswith("needs one model, one optimizer")
    assert reason(losses(STUCK, **PROBABILITIES), "RUN407") == "explained by RUN401"


# RUN408


def outputs(streak: int, looks: int = 30, size: float = 0.3) -> Run:
    run = ordinary()
    run.outputs.append(Outputs(39, 1, looks, streak, size))
    return run


def test_one_output_for_every_sample() -> None:
    (finding,) = found(outputs(30), "RUN408")
    assert "the same output for every sample, in the last 30 batches" in finding.message
    assert verdicts(outputs(30, size=1.0), "TRN416") == {Verdict.CONFIRMED}
    assert state(outputs(9), "RUN408") == "passed"
    assert state(outputs(12, looks=40), "RUN408") == "passed"
    assert reason(outputs(5, looks=5), "RUN408") == "needs 10 batches of a model in training"


@pytest.mark.parametrize("constant", [True, False])
def test_outputs_are_compared(constant: bool, tmp_path: Path) -> None:
    code = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 3)
    def forward(self, x):
        return self.out(x){".mul(0)" if constant else ""}
x = torch.randn(64, 6)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for i in range(40):
    loss = F.cross_entropy(net(x), (x[:, 0] > 0).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    told = watch(tmp_path, code)
    assert ("RUN408" in told.codes) is constant
    assert told.run.outputs[-1].looks == 22
