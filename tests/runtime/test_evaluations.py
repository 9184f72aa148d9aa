"""Evaluations are told apart by line and data, and set against the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_builder import EVALUATE, epochs, evaluate, found, new_run, ordinary, reason, train
from watched import watch

from trainlint.runtime_checks.evaluations import evaluation_series
from trainlint.runtime_checks.record import Site
from trainlint.runtime_checks.run import Run

DATA = """
X = torch.randn(80, 30)
y = (X[:, 0] > 0).long() ^ (torch.rand(80) < 0.3).long()
data = TensorDataset(X, y)
net = nn.Sequential(nn.Linear(30, 256), nn.ReLU(), nn.Linear(256, 2))
optimizer = torch.optim.Adam(net.parameters(), 1e-2)

@torch.no_grad()
def evaluate(batches):
    net.eval()
    total = sum(F.cross_entropy(net(a), b).item() for a, b in batches)
    net.train()
    return total

def train(batches):
    for a, b in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(a), b).backward()
        optimizer.step()
"""
SPLIT = "first, second = (TensorDataset(*data[a:b]) for a, b in ((0, 40), (40, 80)))\n"
LINE = 10
CASES = {
    "one function for both loaders": SPLIT
    + """
training, held = DataLoader(first, 10, shuffle=True), DataLoader(second, 20)
for epoch in range(16):
    train(training)
    evaluate(training), evaluate(held)
""",
    "another loader over the training data": SPLIT
    + """
training, again, held = DataLoader(first, 10, shuffle=True), DataLoader(first, 40), None
for epoch in range(16):
    train(training)
    evaluate(again), evaluate(DataLoader(second, 20))
""",
    "everything made anew in each epoch": """
def loader(a, b, size):
    return DataLoader(TensorDataset(*data[a:b]), size, shuffle=a == 0)
for epoch in range(16):
    batches = loader(0, 40, 10)
    train(batches)
    evaluate(batches), evaluate(loader(40, 80, 20))
""",
    "a split by samplers": """
from torch.utils.data import SubsetRandomSampler
training, held = (DataLoader(data, 10, sampler=SubsetRandomSampler(range(a, a + 40)))
                  for a in (0, 40))
for epoch in range(16):
    train(training)
    evaluate(held)
""",
}


@pytest.mark.parametrize("name", CASES)
def test_overfitting_is_seen_through_a_shared_function(name: str, tmp_path: Path) -> None:
    told = watch(tmp_path, DATA + CASES[name])
    assert (told.codes, told.line("RUN301")) == (["RUN301"], LINE)
    series = evaluation_series(told.run)
    assert [one.training_data for one in series] in ([False], [False, True])
    assert all(len(one.evaluations) == 16 for one in series)
    assert all({one.batches for one in some.evaluations} < {1, 2, 4} for some in series)


def test_the_training_data_are_not_held_out(tmp_path: Path) -> None:
    code = """
        batches = DataLoader(data, 20, shuffle=True)
        for epoch in range(6):
            train(batches)
            for a, b in batches:
                with torch.no_grad():
                    F.cross_entropy(net(a), b)
    """
    told = watch(tmp_path, DATA + "\n".join(line[8:] for line in code.splitlines()))
    assert told.codes == []
    (series,) = evaluation_series(told.run)
    assert (series.training_data, len(series.evaluations)) == (True, 6)


def test_a_loss_within_a_training_pass_is_of_no_known_data(tmp_path: Path) -> None:
    code = """
for a, b in DataLoader(data, 5):
    with torch.no_grad():
        F.cross_entropy(net(a), b)
    optimizer.zero_grad()
    F.cross_entropy(net(a), b).backward()
    optimizer.step()
    with torch.no_grad():
        F.cross_entropy(net(a), b)
"""
    told = watch(tmp_path, DATA + code)
    assert {one.source for one in told.run.evaluations} == {None}
    assert len(told.run.evaluations) == 32


# Series, from runs made by hand


def two_loaders(training: list[float], held: list[float]) -> Run:
    run = new_run()
    for index, losses in enumerate(zip(training, held, strict=True)):
        train(run, [1.0] * 5, [1 / (1 + index)] * 5)
        for order, loss in enumerate(losses):
            evaluate(run, loss)
            run.evaluations[-1] = replace(
                run.evaluations[-1], source=order + 3, order=order, training_data=order == 0
            )
    return run


def test_one_line_over_two_data_sets_makes_two_series() -> None:
    run = two_loaders([0.9, 0.5, 0.1], [0.8, 1.0, 1.5])
    held, training = evaluation_series(run)
    assert (held.name, training.name) == ("line 30", "line 30, training data")
    assert [one.loss for one in held.evaluations] == [0.8, 1.0, 1.5]
    (finding,) = found(run, "RUN301")
    assert "rises from 0.8 at step 5 to 1.5" in finding.message


def test_an_evaluation_of_the_training_data_alone_judges_nothing() -> None:
    run = two_loaders([0.9, 1.5, 2.1], [0.8, 0.7, 0.6])
    run.evaluations = [one for one in run.evaluations if one.training_data]
    assert reason(run, "RUN301") == "the script evaluates only on the data on which it trains"


def test_data_made_anew_are_told_by_their_order() -> None:
    run = two_loaders([0.9, 0.5, 0.1], [0.8, 1.0, 1.5])
    run.evaluations = [replace(one, source=index) for index, one in enumerate(run.evaluations)]
    assert [len(one.evaluations) for one in evaluation_series(run)] == [3, 3]


def test_two_held_out_data_sets_are_numbered() -> None:
    run = two_loaders([0.9, 0.5, 0.1], [0.8, 0.7, 0.6])
    run.evaluations = [replace(one, training_data=False) for one in run.evaluations]
    assert [one.name for one in evaluation_series(run)] == ["line 30", "line 30, data 2"]


def test_evaluations_without_a_loader_are_one_series() -> None:
    run = epochs([1.0, 0.9, 0.8], [1.0, 0.9, 0.8])
    evaluate(run, 0.7, Site("/home/me/other.py", 3))
    assert [one.name for one in evaluation_series(run)] == ["line 30", "line 3"]
    assert evaluation_series(run)[0].site == EVALUATE
    assert evaluation_series(ordinary()) == []
