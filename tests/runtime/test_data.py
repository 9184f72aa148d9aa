"""What loaders give: RUN603 to RUN608."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from run_builder import SCRIPT, found, ordinary, reason, state
from watched import watch

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.record import (
    BadInput,
    BatchOrder,
    Inputs,
    LoaderInfo,
    LossCall,
    NonFinite,
    Overlap,
    SharedIndices,
    Site,
)
from trainlint.runtime_checks.run import Run

TRAIN, TEST = Site(SCRIPT, 11), Site(SCRIPT, 12)


def loader(run: Run, number: int = 1, **changed: Any) -> None:
    """Add a loader of ten batches that shuffles."""
    values: dict[str, Any] = {
        "source": number,
        "site": TRAIN if number == 1 else TEST,
        "length": 10,
        "workers": 0,
        "sampler": "RandomSampler",
        "shuffles": True,
        "iterable": False,
        "dataset": "TensorDataset",
        "size": 320,
        **changed,
    }
    run.loaders[number] = LoaderInfo(number, **values)


def ordered(run: Run, batches: Sequence[int], number: int = 0, **changed: Any) -> None:
    """Add a pass that gave these batches first."""
    values: dict[str, Any] = {
        "step": 10 * number,
        "loader": 1,
        "source": 1,
        "number": number,
        "batches": list(batches),
        "taken": 10,
        "rows": 32 * len(batches),
        "distinct": 32 * len(set(batches)),
        "least": 32,
        "trained": True,
        **changed,
    }
    run.batch_orders.append(BatchOrder(**values))


def passes(batches: Sequence[Sequence[int]], taken: int = 10, **changed: Any) -> Run:
    run = ordinary()
    loader(run, **changed)
    for number, some in enumerate(batches):
        ordered(run, some, number, taken=taken, step=number * taken)
    return run


def verdicts(run: Run, rule: str) -> set[Verdict]:
    return {one.verdict for one in judge(run).witnesses if one.rule == rule}


# RUN604


def test_a_shuffled_loader_in_one_order() -> None:
    (finding,) = found(passes([[1, 2, 3]] * 3), "RUN604")
    assert finding.location.line == TRAIN.line
    assert "3 epochs went through the data in the same order" in finding.message


@pytest.mark.parametrize(
    ("batches", "changed"),
    [
        ([[1, 2, 3], [3, 1, 2]], {}),
        ([[1, 2, 3], [1, 2, 3], [2, 1, 3]], {}),
        ([[1, 2, 3]] * 3, {"shuffles": False, "sampler": "SequentialSampler"}),
        ([[1, 2, 3]] * 3, {"shuffles": None, "sampler": "Sorted"}),
    ],
)
def test_orders_that_are_no_mistake(batches: list[list[int]], changed: dict[str, Any]) -> None:
    assert state(passes(batches, **changed), "RUN604") == "passed"


@pytest.mark.parametrize("batches", [[[1, 2, 3]], [[1], [1], [1]]])
def test_an_order_needs_passes_of_several_batches(batches: list[list[int]]) -> None:
    assert reason(passes(batches), "RUN604").startswith("needs two passes")


def test_the_order_answers_the_rules() -> None:
    plain: dict[str, Any] = {"shuffles": False, "sampler": "SequentialSampler"}
    assert verdicts(passes([[1, 2]] * 2, **plain), "TRN601") == {Verdict.CONFIRMED}
    assert verdicts(passes([[1, 2], [2, 1]]), "TRN601") == {Verdict.NOT_REPRODUCED}
    told = passes([[1, 2]] * 2, sampler="DistributedSampler")
    assert verdicts(told, "TRN603") == {Verdict.CONFIRMED}
    assert "set_epoch" in (found(told, "RUN604")[0].hint or "")


# RUN605


def worked(batches: Sequence[int], workers: int = 2, **changed: Any) -> Run:
    run = ordinary()
    loader(run, workers=workers, iterable=changed.pop("iterable", True), shuffles=None)
    ordered(run, batches, **changed)
    return run


@pytest.mark.parametrize(
    ("run", "bad"),
    [
        (worked([1, 1, 2, 2, 3, 3]), True),
        (worked([1, 1, 1, 2, 2, 2, 3], workers=3), True),
        (worked([1, 1, 2, 2], iterable=False), True),
        (worked([1, 2, 3, 4], rows=128, distinct=64, ended=True), True),  # each in its own order
        (worked([1, 2, 3, 4], rows=128, distinct=64), False),  # not seen to its end
        (worked([1, 2, 3, 4], rows=128, distinct=64, ended=True, iterable=False), False),
        (worked([1, 2, 3, 4, 5, 6]), False),
        (worked([1, 1, 2, 3, 4, 4]), False),
        (worked([1, 1, 1, 1]), False),  # the same throughout: the data are
        (worked([1, 1, 2, 2], least=1), False),
        (worked([1, 1], workers=2), False),
    ],
)
def test_workers_that_give_the_same(run: Run, bad: bool) -> None:
    assert [one.location.line for one in found(run, "RUN605")] == [TRAIN.line] * bad


def test_no_workers_no_repeats() -> None:
    assert reason(passes([[1, 1, 2, 2]]), "RUN605") == "no loader with several workers was used"


# RUN606


def split(shared: int, evaluated: int = 100, trained: int = 400, **changed: Any) -> Run:
    run = ordinary()
    loader(run)
    loader(run, 2, **changed)
    run.shared_indices.append(SharedIndices(5, 1, 1, 2, trained, evaluated, shared))
    return run


def test_two_parts_of_one_data_set_that_overlap() -> None:
    (finding,) = found(split(80), "RUN606")
    assert finding.location.line == TEST.line
    assert "80 % of them" in finding.message
    assert [place.location.line for place in finding.related] == [TRAIN.line]
    assert "all of them" in found(split(100), "RUN606")[0].message


def test_parts_that_are_meant() -> None:
    assert state(split(0), "RUN606") == "passed"
    assert not found(split(400, 400), "RUN606")  # the training data as such
    assert not found(split(100, source=1), "RUN606")
    run = split(100)  # a part of it, beside one that is free of it
    loader(run, 3)
    run.shared_indices.append(SharedIndices(5, 1, 1, 3, 400, 100, 0))
    assert not found(run, "RUN606")


def test_folds_are_left_alone() -> None:
    run = ordinary()
    for number in range(1, 6):
        loader(run, number)
        run.shared_indices.append(SharedIndices(5, 1, number, 9, 400, 100, 25 * (number - 1)))
    loader(run, 9)
    assert not found(run, "RUN606")


def met(share: float, chance: float = 0.001, evaluated: int = 200, trains: bool = False) -> Run:
    run = ordinary()
    loader(run)
    loader(run, 2)
    ordered(run, [1, 2, 3])
    ordered(run, [4, 5], loader=2, source=2, trained=trains)
    run.overlaps.append(Overlap(9, 1, 2, 2, 900, evaluated, int(share * evaluated), chance))
    return run


@pytest.mark.parametrize(
    ("run", "bad"),
    [
        (met(0.3), True),
        (met(0.06), True),
        (met(0.03), False),
        (met(0.3, chance=0.2), False),  # few different samples
        (met(0.5, evaluated=20), False),
        (met(0.9, trains=True), False),
        (met(0.0), False),
    ],
)
def test_samples_that_are_met_again(run: Run, bad: bool) -> None:
    assert [one.location.line for one in found(run, "RUN606")] == [TEST.line] * bad


# RUN607


def test_the_first_batch_each_time() -> None:
    run = passes([[7]] * 12, taken=1)
    assert len(found(run, "RUN607")) == 1


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (passes([[7]] * 9, taken=1), "not triggered"),
        (passes([[7]] * 12, taken=1, length=1), "passed"),
        (passes([[7, 8]] * 12, taken=2), "passed"),
        (passes([[i] for i in range(12)], taken=1), "passed"),
    ],
)
def test_other_passes_of_one_batch(run: Run, word: str) -> None:
    assert state(run, "RUN607") == word


def test_a_batch_that_is_looked_at_now_and_then() -> None:
    run = ordinary()
    loader(run)
    for number in range(12):
        ordered(run, [7], number, taken=1, step=10 * number)
    assert not found(run, "RUN607")


# RUN608


def test_nan_in_the_data_explains_a_loss_that_is_none() -> None:
    run = ordinary()
    loader(run)
    run.nonfinite.append(NonFinite(40, "weight", ["a"], TRAIN, float("nan")))
    assert found(run, "RUN105")
    run.bad_inputs.append(BadInput(40, TEST, 1, "tensor 0 of the batch", "nan", 3, 2, 32))
    (finding,) = found(run, "RUN608")
    assert finding.location.line == TRAIN.line
    assert "3 values in 2 of 32 samples of tensor 0 of the batch" in finding.message
    assert reason(run, "RUN105") == "explained by RUN608"


# RUN601


def given(**changed: Any) -> Run:
    values: dict[str, Any] = {
        "layer": "a",
        "site": TEST,
        "normed": False,
        "fresh": True,
        "low": 0.0,
        "high": 255.0,
        "std": 70.0,
        "whole": True,
        **changed,
    }
    run = ordinary()
    run.inputs += [Inputs(step, 1, **values) for step in range(3)]
    return run


def test_pixels_and_tables_that_are_not_scaled() -> None:
    (finding,) = found(given(), "RUN601")
    assert (finding.location.line, finding.severity) == (TEST.line, Severity.WARNING)
    assert "`a` of `Net`, the first layer, is given 8-bit pixels from 0 to 255" in finding.message
    assert found(given(low=-900.0, whole=False), "RUN601")[0].severity is Severity.INFO


@pytest.mark.parametrize(
    "changed",
    [{"normed": True}, {"fresh": False}, {"high": 1.0, "std": 0.3}, {"high": 60.0, "std": 2.0}],
)
def test_inputs_that_may_be_large(changed: dict[str, Any]) -> None:
    assert state(given(**changed), "RUN601") == "passed"
    run = given(**changed)
    assert not found(run, "RUN601")


# RUN602, RUN603


def labelled(rows: list[list[int]], guesses: list[int] | None = None, **changed: Any) -> Run:
    """Calls of a loss, with the labels of each."""
    run = ordinary(100)
    loader(run, shuffles=changed.pop("shuffles", False))
    values: dict[str, Any] = {
        "site": Site(SCRIPT, 19),
        "function": "cross_entropy",
        "maker": "Addmm",
        "under": "",
        "input_shape": [32, len(rows[0])],
        "target_shape": [32],
        "plain": True,
        "loss": 1.0,
        "low": -1.0,
        "high": 1.0,
        "loader": 1,
        **changed,
    }
    for number, row in enumerate(rows):
        run.loss_calls.append(LossCall(step=number, labels=row, guesses=guesses or row, **values))
    return run


def test_a_class_that_is_rare() -> None:
    (finding,) = found(labelled([[31, 1]] * 40), "RUN602")
    assert finding.severity is Severity.INFO
    assert "who always says 0 is right in 97 %" in finding.message
    (finding,) = found(labelled([[30, 2]] * 40, [32, 0]), "RUN602")
    assert finding.severity is Severity.WARNING
    assert "the model says nothing else" in finding.message


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (labelled([[20, 12]] * 40), "passed"),
        (labelled([[31, 1]] * 40, plain=False), "passed"),
        (labelled([[32, 0]] * 40), "passed"),
        (labelled([[31, 1]] * 5), "not triggered"),
    ],
)
def test_classes_that_are_not_rare(run: Run, word: str) -> None:
    assert state(run, "RUN602") == word


def test_labels_one_class_after_the_other() -> None:
    (finding,) = found(labelled([[32, 0]] * 10 + [[0, 32]] * 10), "RUN603")
    assert finding.location.line == TRAIN.line
    assert "a batch holds 100 % of one class" in finding.message


@pytest.mark.parametrize(
    "run",
    [
        labelled([[32, 0], [0, 32]] * 10),  # real and false ones take turns
        labelled([[32, 0]] * 20),
        labelled([[16, 16]] * 20),
        labelled([[32, 0]] * 10 + [[0, 32]] * 10, shuffles=True),
        labelled([[32, 0]] * 10 + [[0, 32]] * 10, loader=None),
        labelled([[32, 0]] * 4 + [[0, 32]] * 4),
    ],
)
def test_labels_that_are_not_sorted(run: Run) -> None:
    assert not found(run, "RUN603")


# The probes.

LEARN = """
net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), 0.05)
x = torch.randn(240, 6)
data = TensorDataset(x, (x.sum(1) > 0).long())
def learn(loader):
    for a, b in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(a), b).backward()
        optimizer.step()
def test(loader):
    with torch.no_grad():
        return sum(F.cross_entropy(net(a), b).item() for a, b in loader)
"""
OFFSET = LEARN.count("\n") - 1

SCRIPTS = {
    "a plain loader": ("loader = DataLoader(data, 16, shuffle=True)\n", []),
    "held out": (
        "from torch.utils.data import random_split\n"
        "first, second = random_split(data, [200, 40])\n"
        "loader, held = DataLoader(first, 16, shuffle=True), DataLoader(second, 40)\n",
        [],
    ),
    "training and held out": (
        "loader = DataLoader(torch.utils.data.Subset(data, range(200)), 16, shuffle=True)\n"
        "held = DataLoader(torch.utils.data.Subset(data, range(200, 240)), 40)\n"
        "again = DataLoader(torch.utils.data.Subset(data, range(50)), 40)\n",
        [],
    ),
    "the training data itself": (
        "loader, held = DataLoader(data, 16, shuffle=True), DataLoader(data, 40)\n",
        [],
    ),
    "all of it, and a part": (
        "loader = DataLoader(data, 16, shuffle=True)\n"
        "held = DataLoader(torch.utils.data.Subset(data, range(0, 240, 5)), 40)\n",
        ["RUN606"],
    ),
    "copies": (
        "loader = DataLoader(data, 16, shuffle=True)\n"
        "held = DataLoader(TensorDataset(x[:60].clone(), x[:60, 0].long() * 0), 40)\n",
        ["RUN606"],
    ),
    "few different samples": (
        "x = torch.randint(3, (240, 6)).float()\n"
        "loader = DataLoader(TensorDataset(x, x[:, 0].long() % 2), 16, shuffle=True)\n"
        "z = torch.randint(3, (120, 6)).float()\n"
        "held = DataLoader(TensorDataset(z, z[:, 0].long() % 2), 16)\n",
        [],
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_training_and_evaluation_are_kept_apart(name: str, tmp_path: Path) -> None:
    made, codes = SCRIPTS[name]
    loop = (
        "for epoch in range(4):\n    learn(loader)\n"
        "    for name in ('held', 'again'):\n"
        "        if name in globals():\n            test(globals()[name])\n"
    )
    told = watch(tmp_path, LEARN + made + loop)
    assert told.codes == codes
    if codes:
        assert told.line(codes[0]) == OFFSET + 2


@pytest.mark.parametrize("shard", [True, False])
def test_workers_and_their_streams(shard: bool, tmp_path: Path) -> None:
    code = f"""
        class Stream(torch.utils.data.IterableDataset):
            def __iter__(self):
                info = torch.utils.data.get_worker_info()
                generator = torch.Generator().manual_seed(5)
                for index in range(160):
                    x = torch.randn(4, generator=generator)
                    if not {shard} or index % info.num_workers == info.id:
                        yield x, x.sum(0, keepdim=True)
        net = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        loader = DataLoader(Stream(), 8, num_workers=2)
        for epoch in range(2):
            for a, b in loader:
                optimizer.zero_grad()
                F.mse_loss(net(a), b).backward()
                optimizer.step()
    """
    told = watch(tmp_path, code)
    assert told.codes == ([] if shard else ["RUN605"])
    assert shard or told.line("RUN605") == 11


def test_nan_in_what_the_model_is_called_with(tmp_path: Path) -> None:
    code = """
        x = torch.randn(300, 4)
        x[250, 1] = float("nan")
        net = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        for i in range(30):
            out = net(x[10 * i : 10 * i + 10])
            optimizer.zero_grad()
            out.square().mean().backward()
            optimizer.step()
    """
    told = watch(tmp_path, code)
    assert (told.codes, told.line("RUN608")) == (["RUN608"], 6)
    assert "1 value in 1 of 10 samples of argument 0 of `Linear`" in told.found("RUN608").message


@pytest.mark.parametrize("scaled", [True, False])
def test_what_the_first_layer_gets_is_measured(scaled: bool, tmp_path: Path) -> None:
    """What the model itself does before its first layer counts."""
    code = f"""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.out = nn.Linear(6, 1)
            def forward(self, x):
                return self.out(x / {255 if scaled else 1})
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), 1e-7)
        for i in range(20):
            x = torch.randint(0, 256, (16, 6)).float()
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    """
    told = watch(tmp_path, code)
    assert ("RUN601" in told.codes) is not scaled
    assert scaled or told.line("RUN601") == 4


def test_what_a_model_computed_is_no_data(tmp_path: Path) -> None:
    """The first NaN here is an overflow of the model's own, and goes into a loss module."""
    code = """
        net, loss_fn = nn.Linear(4, 1), nn.MSELoss()
        optimizer = torch.optim.SGD(net.parameters(), 1e4)
        for i in range(60):
            x = torch.randn(16, 4)
            optimizer.zero_grad()
            loss_fn(net(x), x.sum(1, keepdim=True)).backward()
            optimizer.step()
    """
    told = watch(tmp_path, code)
    assert "RUN608" not in told.codes
    assert not told.run.bad_inputs
