"""Models in the wrong mode: what the detectors make of a record, and what probes put into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_builder import SCRIPT, found, ordinary, reason, state
from watched import watch

from trainlint.runtime_checks.record import DroppedOut, GraphEvaluation, RestedTraining, Site

SWITCH, BACK, CALL = (Site(SCRIPT, line) for line in (40, 41, 42))
RESTED = RestedTraining(
    step=39, optimizer=1, model=1, steps=30, since=10, of=30, layers=["BatchNorm1d", "Dropout"],
    switched=SWITCH, site=BACK, fresh=False, trained=True, share=1.0,
)  # fmt: skip
DROPPED = DroppedOut(20, CALL, "function", 0.5, "Net", 8, 0)
GRAPH = GraphEvaluation(20, CALL, 1, 8)

LOADERS = """
    x = torch.randn(128, 8)
    y = (x.sum(1) > 0).long()
    data = DataLoader(TensorDataset(x, y), 16)
"""


# -- RUN303 -------------------------------------------------------------------------------------


def test_training_in_evaluation_mode_stands_at_the_eval() -> None:
    run = ordinary()
    run.rested = [replace(RESTED, steps=3, of=3), RESTED]
    (finding,) = found(run, "RUN303")
    assert finding.location.line == SWITCH.line
    assert (
        "`Net` is trained in evaluation mode, its BatchNorm1d and Dropout at rest, in 30 steps"
        in (finding.message)
    )
    assert [place.location.line for place in finding.related] == [BACK.line]


def test_without_a_known_eval_it_stands_at_the_backward() -> None:
    run = ordinary()
    run.rested = [replace(RESTED, switched=None)]
    assert found(run, "RUN303")[0].location.line == BACK.line


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"layers": ["BatchNorm2d"], "trained": False}, "keeps them"),
        ({"share": 0.2}, "frozen"),
        ({"steps": 5, "of": 5}, "needs 10 steps"),
        ({"steps": 12, "of": 40}, "in training mode for most steps"),
    ],
)
def test_a_model_that_may_rest(changed: dict[str, object], words: str) -> None:
    run = ordinary()
    run.rested = [replace(RESTED, **changed)]  # type: ignore[arg-type]
    assert found(run, "RUN303") == []
    assert words in reason(run, "RUN303")


def test_batchnorm_at_rest_that_never_had_statistics() -> None:
    run = ordinary()
    run.rested = [replace(RESTED, layers=["BatchNorm2d"], trained=False, fresh=True)]
    assert len(found(run, "RUN303")) == 1


def test_no_model_at_rest_passes() -> None:
    assert state(ordinary(), "RUN303") == "passed"


def test_eval_of_the_whole_that_reaches_a_part(tmp_path: Path) -> None:
    code = f"""{LOADERS}
    class Task(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.1), nn.Linear(8, 2))
    task = Task()
    optimizer = torch.optim.SGD(task.parameters(), 0.1)
    for epoch in range(4):
        for a, b in data:
            optimizer.zero_grad()
            F.cross_entropy(task.net(a), b).backward()
            optimizer.step()
        task.eval()
    """
    told = watch(tmp_path, code)
    assert (told.codes, told.line("RUN303")) == (["RUN303"], 16)
    assert "24 steps of 24 from step 8 on" in told.found("RUN303").message


HEALTHY_AT_REST = {
    "a head on a network at rest": """
        body = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.Dropout(0.5)).eval()
        head = nn.Linear(32, 2)
        optimizer = torch.optim.SGD(head.parameters(), 0.1)
        for i in range(40):
            optimizer.zero_grad()
            x = torch.randn(16, 8)
            F.cross_entropy(head(body(x)), (x[:, 0] > 0).long()).backward()
            optimizer.step()
    """,
    "a judge at rest while the maker trains": """
        maker = nn.Linear(4, 8)
        judge = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        one, two = (torch.optim.Adam(part.parameters(), 1e-3) for part in (maker, judge))
        for i in range(40):
            judge.train()
            two.zero_grad()
            made = maker(torch.randn(16, 4))
            loss = F.softplus(judge(made.detach())) + F.softplus(-judge(torch.randn(16, 8)))
            loss.mean().backward()
            two.step()
            judge.eval()
            one.zero_grad()
            F.softplus(-judge(made)).mean().backward()
            one.step()
    """,
    "a part trains while the whole rests": """
        net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.2), nn.Linear(8, 8), nn.Dropout(0.2))
        net.eval()
        net[3].train()
        optimizer = torch.optim.SGD(net.parameters(), 0.05)
        for i in range(40):
            optimizer.zero_grad()
            x = torch.randn(16, 8)
            F.mse_loss(net(x), x).backward()
            optimizer.step()
    """,
    "no layer knows a mode": """
        net = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 8)).eval()
        optimizer = torch.optim.SGD(net.parameters(), 0.05)
        for i in range(40):
            optimizer.zero_grad()
            x = torch.randn(16, 8)
            F.mse_loss(net(x), x).backward()
            optimizer.step()
    """,
}


@pytest.mark.parametrize("name", HEALTHY_AT_REST)
def test_what_rests_for_good_reason(name: str, tmp_path: Path) -> None:
    told = watch(tmp_path, HEALTHY_AT_REST[name])
    assert "RUN303" not in told.codes


# -- RUN304 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["function", "attention", "layer"])
def test_dropout_in_evaluation(how: str) -> None:
    run = ordinary()
    run.dropped = [replace(DROPPED, calls=1, how=how), replace(DROPPED, how=how)]
    (finding,) = found(run, "RUN304")
    assert finding.location.line == CALL.line
    assert "p = 0.5 while `Net` is in evaluation mode" in finding.message


def test_monte_carlo_and_a_single_batch() -> None:
    run = ordinary()
    run.dropped = [replace(DROPPED, repeats=7)]
    assert "several times about one input" in reason(run, "RUN304")
    run.dropped = [replace(DROPPED, calls=1)]
    assert "saw one" in reason(run, "RUN304")


@pytest.mark.parametrize(
    ("layer", "is_found"),
    [
        ("F.dropout(h, 0.3)", True),
        ("F.dropout(h, p=0.0)", False),
        ("F.dropout(h, 0.3, training=True)", False),
        ("F.dropout(h, 0.3, self.training)", False),
        ("nn.Dropout(0.3)(h)", True),
        ("self.loose[0](h)", True),
        ("self.drop(h)", False),
        ("F.alpha_dropout(h)", False),
    ],
)
def test_dropouts_within_a_model(layer: str, is_found: bool, tmp_path: Path) -> None:
    code = f"""{LOADERS}
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.drop = nn.Linear(8, 16), nn.Linear(16, 2), nn.Dropout(0.3)
            self.loose = [nn.Dropout(0.3)]
        def forward(self, x):
            h = torch.relu(self.a(x))
            h = {layer}
            return self.b(h)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for epoch in range(3):
        net.train()
        for a, b in data:
            optimizer.zero_grad()
            F.cross_entropy(net(a), b).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            for a, b in data:
                F.cross_entropy(net(a), b)
    """
    told = watch(tmp_path, code)
    assert [told.line(code) for code in told.codes] == ([12] if is_found else [])


# -- RUN309 -------------------------------------------------------------------------------------


def test_an_evaluation_with_a_graph_is_advice() -> None:
    run = ordinary()
    run.graph_evaluations = [replace(GRAPH, calls=2)]
    assert "needs 3" in reason(run, "RUN309")
    run.graph_evaluations.append(GRAPH)
    (finding,) = found(run, "RUN309")
    assert (finding.severity.value, finding.location.line) == ("info", CALL.line)
    assert "8 calls recorded a graph" in finding.message


@pytest.mark.parametrize(
    "more", ["pass", "sum(losses).backward()", "torch.autograd.grad(sum(losses), net.a.weight)"]
)
def test_a_graph_that_is_used_is_none(more: str, tmp_path: Path) -> None:
    code = f"""{LOADERS}
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(8, 2)
        def forward(self, x):
            return {{"logits": self.a(x)}}
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for epoch in range(3):
        net.train()
        for a, b in data:
            optimizer.zero_grad()
            F.cross_entropy(net(a)["logits"], b).backward()
            optimizer.step()
        net.eval()
        losses = []
        for a, b in data:
            losses.append(F.cross_entropy(net(a)["logits"], b))
        {more}
    """
    told = watch(tmp_path, code)
    assert [told.line(code) for code in told.codes] == ([22] if more == "pass" else [])
