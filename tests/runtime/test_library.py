"""`trainlint.watch` and `trainlint.fit`, as their users call them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from run_builder import read_log
from torch import nn
from torch.nn import functional
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import trainlint


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


def data(size: int = 64) -> DataLoader:
    inputs = torch.randn(size, 8)
    return DataLoader(TensorDataset(inputs, inputs[:, :3].argmax(1)), batch_size=16)


def codes(watched: trainlint.Watched) -> list[str]:
    return [finding.code for finding in watched.findings]


def here() -> int:
    """The caller's line."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


# -- watch --------------------------------------------------------------------------------------


def test_a_healthy_loop_has_no_finding() -> None:
    model, loader = network(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with trainlint.watch() as watched:
        for _ in range(3):
            for x, y in loader:
                optimizer.zero_grad()
                cross_entropy(model(x), y).backward()
                optimizer.step()
            with torch.no_grad():
                for x, y in loader:
                    cross_entropy(model(x), y)
    assert codes(watched) == []
    assert len(watched.run.steps) == 12
    # cross_entropy was imported before the probes came: the module's own name is watched too.
    assert [evaluation.batches for evaluation in watched.run.evaluations] == [4, 4, 4]
    assert "12 optimizer steps" in watched.report()
    assert "the loop ran to its end" in watched.report()


def test_a_mistake_is_found_at_its_line() -> None:
    model, loader = network(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with trainlint.watch() as watched:
        for x, y in loader:
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            line = here() - 1
    (finding,) = watched.findings
    assert (finding.code, finding.location.line) == ("RUN101", line)
    assert finding.location.path.endswith("test_library.py")
    assert "            optimizer.step()\n" in watched.report()


def test_a_comment_excuses_a_line() -> None:
    model, loader = network(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with trainlint.watch() as watched:
        for x, y in loader:
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()  # trainlint: ignore[RUN101]
    assert codes(watched) == []


def test_what_the_block_raises_is_noted_and_raised_on() -> None:
    with pytest.raises(ZeroDivisionError), trainlint.watch() as watched:  # noqa: PT012
        line = here() + 1
        _ = 1 / 0
    assert watched.run.end is not None
    assert watched.run.end.reason == "raised"
    (finding,) = [one for one in watched.findings if one.code == "RUN001"]
    assert finding.location.line == line


def test_an_interrupted_loop_keeps_what_was_measured() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with pytest.raises(KeyboardInterrupt), trainlint.watch() as watched:  # noqa: PT012
        optimizer.zero_grad()
        model(torch.randn(4, 8)).sum().backward()
        optimizer.step()
        raise KeyboardInterrupt
    assert len(watched.run.steps) == 1
    assert "interrupted" in watched.report()


def test_a_bound_ends_the_block() -> None:
    model, loader = network(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    after = False
    with trainlint.watch(max_steps=7) as watched:
        while True:
            for x, y in loader:
                optimizer.zero_grad()
                cross_entropy(model(x), y).backward()
                optimizer.step()
    after = True
    assert after
    assert len(watched.run.steps) == 7
    assert "budget of steps" in watched.report()


def test_torch_is_as_it_was_afterwards() -> None:
    def attributes() -> list[object]:
        owners = (nn.Module, torch.optim.Optimizer, torch.Tensor, functional, DataLoader)
        return [dict(vars(owner)) for owner in owners]

    before, own = attributes(), cross_entropy
    with trainlint.watch():
        assert attributes() != before
    assert attributes() == before
    assert cross_entropy is own is functional.cross_entropy
    assert sys.gettrace() is None


def test_one_watch_within_another() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with trainlint.watch() as outer:
        for _ in range(2):
            with trainlint.watch() as inner:
                optimizer.zero_grad()
                model(torch.randn(4, 8)).sum().backward()
                optimizer.step()
    assert (len(outer.run.steps), len(inner.run.steps)) == (2, 1)


def test_importing_trainlint_imports_neither_torch_nor_libcst() -> None:
    code = "import sys, trainlint; print({'torch', 'libcst', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = trainlint.nothing


# -- fit ----------------------------------------------------------------------------------------


def test_a_fit_returns_findings_and_curves() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    noise = [(torch.randn(16, 8), torch.randint(3, (16,))) for _ in range(4)]
    unseen = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in range(2)]
    watched = trainlint.fit(model, cross_entropy, optimizer, noise, unseen, max_steps=120)
    assert codes(watched) == ["RUN301"]
    tags = {curve.tag: curve.points for curve in watched.curves}
    assert len(tags["loss/training"]) == 120
    assert len(tags["loss/evaluation"]) >= 29
    assert tags["learning rate"][0] == (0, 0.01)


def test_any_loss_is_seen_as_an_evaluation() -> None:
    model, loader = network(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return -outputs.log_softmax(1)[range(len(targets)), targets].mean()

    watched = trainlint.fit(model, loss, optimizer, loader, loader, max_steps=12)
    assert [one.batches for one in watched.run.evaluations] == [3, 3, 3]
    criterion = nn.CrossEntropyLoss()
    watched = trainlint.fit(model, criterion, optimizer, loader, loader, max_steps=12)
    assert [one.batches for one in watched.run.evaluations] == [3, 3, 3]


def test_clipping_is_applied_and_measured() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 100 * cross_entropy(outputs, targets)

    watched = trainlint.fit(model, loss, optimizer, data(), clip_norm=1.0, max_steps=8)
    assert all(step.norm_after == pytest.approx(1.0, rel=1e-3) for step in watched.run.steps)
    assert {clip.how for clip in watched.run.clips} == {"norm"}
    watched = trainlint.fit(model, loss, optimizer, data(), clip_value=0.1, max_steps=8)
    assert {clip.how for clip in watched.run.clips} == {"value"}


@pytest.mark.parametrize(("norm", "parameters"), [("weight", 6), ("spectral", 4)])
def test_a_norm_is_applied(norm: str, parameters: int) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = trainlint.fit(model, cross_entropy, optimizer, data(), norm=norm, max_steps=8)
    assert watched.run.notes[0] == f"{norm}_norm on 2 layers"
    assert {step.with_grad for step in watched.run.steps} == {parameters}
    assert codes(watched) == []


def test_a_norm_that_cannot_be_applied_is_refused() -> None:
    model = nn.Sequential(nn.Embedding(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="no linear or convolutional layer"):
        trainlint.fit(model, cross_entropy, optimizer, data(), norm="weight")
    with pytest.raises(ValueError, match="norm is 'spectral' or 'weight', not 'batch'"):
        trainlint.fit(model, cross_entropy, optimizer, data(), norm="batch")


def test_inputs_may_be_several() -> None:
    class Two(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 3), nn.Linear(8, 3)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.a(a) + self.b(b)
            return out

    x, y = torch.randn(4, 8), torch.tensor([0, 1, 2, 0])
    for inputs in ((x, x), {"a": x, "b": x}):
        model = Two()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        watched = trainlint.fit(model, cross_entropy, optimizer, [(inputs, y)], max_steps=3)
        assert len(watched.run.steps) == 3


def test_a_batch_that_is_no_pair_is_refused() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"pair \(inputs, targets\), not a tuple of 3"):
        trainlint.fit(model, cross_entropy, optimizer, [(1, 2, 3)])
    with pytest.raises(TypeError, match="not a Tensor"):
        trainlint.fit(model, cross_entropy, optimizer, [torch.zeros(2)])


def test_data_that_is_used_up_ends_the_loop() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = trainlint.fit(model, cross_entropy, optimizer, iter(data()))
    assert len(watched.run.steps) == 4
    assert watched.run.end is not None
    assert watched.run.end.reason == "left"
    empty = trainlint.fit(model, cross_entropy, optimizer, [])
    assert codes(empty) == ["RUN003"]
    assert "never reached an optimizer step: the watched block ended first" in empty.report()


def test_the_log_is_torchs_own(tmp_path: Path) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = trainlint.fit(model, cross_entropy, optimizer, data(), data(), max_steps=8)
    watched.write_log(tmp_path)
    scalars = read_log(tmp_path / "plain").Tags()["scalars"]
    assert {"loss/training", "loss/evaluation", "learning_rate"} <= set(scalars)
