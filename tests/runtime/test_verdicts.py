"""The trials of learning rates and of one batch, what they show, and which are called for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command import trainlint
from run_builder import new_run, step
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from watched import write

from trainlint.runtime_checks.budget import Budget, Stopped
from trainlint.runtime_checks.install import watching
from trainlint.runtime_checks.record import Line
from trainlint.runtime_checks.run import Run, build_run
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.trials.choosing import called_for
from trainlint.runtime_checks.trials.trial import parse_trial
from trainlint.runtime_checks.verdicts import verdict_of


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Reproducible, and gentle with a small machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def watch(train: Callable[[], object], trial: str | None = None) -> Run:
    """Train from one seed, observed, with the change of a trial."""
    lines: list[Line] = []
    torch.manual_seed(0)
    session = Session(lines.append, Budget(300, 60.0, whole_passes=True))
    try:
        with watching(session, trial=parse_trial(trial) if trial else None):
            train()
    except Stopped:
        pass
    run = build_run(lines)
    assert not [note for note in run.notes if note.startswith("not measured")]
    return run


def fit(rate: float = 0.1, epochs: int = 4, gamma: float = 0.5) -> nn.Linear:
    """A linear fit, its rate halved after each pass."""
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma)
    x = torch.randn(64, 4)
    for _ in range(epochs):
        for a, b in DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 16, shuffle=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(a), b).backward()
            optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate * gamma**epochs)
    return model


def test_every_rate_is_multiplied_and_the_schedule_left_alone() -> None:
    plain, slow = watch(fit), watch(fit, "lr=0.1")
    rates = [step.lrs[0] for step in plain.steps]
    assert [step.lrs[0] for step in slow.steps] == pytest.approx([0.1 * rate for rate in rates])
    assert slow.steps[0].loss == plain.steps[0].loss
    assert slow.steps[-1].loss != plain.steps[-1].loss
    assert slow.trial is not None
    assert slow.trial.what == "learning rates times 0.1 in 16 steps"


def test_the_rate_is_that_of_a_run_that_was_written_so() -> None:
    other = watch(lambda: fit(0.01))
    assert [s.loss for s in watch(fit, "lr=0.1").steps] == pytest.approx(
        [s.loss for s in other.steps], rel=1e-6
    )


def test_the_range_ends_where_the_loss_is_four_times_the_best() -> None:
    run = watch(lambda: fit(epochs=100, gamma=1.0), "lr-range")
    assert run.trial is not None
    assert 20 < len(run.steps) <= 100
    assert run.steps[0].lrs[0] == pytest.approx(1e-4)
    assert run.trial.what.startswith("rates from 0.0001 to ")
    suggested = float(run.trial.what.partition("; try ")[2].split()[0])
    assert 0.003 < suggested < 0.3


def test_one_batch_again_and_again_and_whole_evaluations() -> None:
    seen: list[float] = []
    held: list[float] = []

    def train() -> None:
        x = torch.arange(12.0).reshape(12, 1)
        model = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        loader = DataLoader(TensorDataset(x), 4)
        for _ in range(2):
            for (a,) in loader:
                seen.append(float(a.sum()))
                a.zero_()
                optimizer.zero_grad()
                model(a + 1).square().mean().backward()
                optimizer.step()
            with torch.no_grad():
                held.extend(float(a.sum()) for (a,) in loader)

    run = watch(train, "one-batch")
    assert seen == [6.0] * 6
    assert held == [6.0, 22.0, 38.0] * 2
    assert run.trial is not None
    assert run.trial.what == "the first batch of the training data, 6 times"


def test_a_script_without_a_loader() -> None:
    def train() -> None:
        model = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for _ in range(3):
            model(torch.ones(2, 1)).mean().backward()
            optimizer.step()

    run = watch(train, "one-batch")
    assert run.trial is not None
    assert (run.trial.applied, run.trial.what) == (
        False,
        "the script trains on no DataLoader's batches",
    )


def of(*losses: float, steps: int = 120) -> Run:
    """A run from the first to the last loss."""
    run = new_run()
    for index in range(steps):
        step(run, 1.0, losses[0] if index == 0 else losses[-1])
    return run


@pytest.mark.parametrize(
    ("losses", "cured", "left", "brought", "verdict"),
    [
        ((2.0, 0.1), ("RUN104",), (), False, "cured"),
        ((2.0, 0.1), (), ("RUN104",), False, "helped"),
        ((2.0, 1.0), (), ("RUN104",), False, "no effect"),
        ((2.0, 3.0), (), ("RUN104",), False, "worse"),
        ((2.0, float("nan")), (), (), True, "worse"),
        ((2.0, 3.0), ("RUN104",), ("RUN301",), False, "helped"),
    ],
)
def test_verdicts(
    losses: tuple[float, ...],
    cured: tuple[str, ...],
    left: tuple[str, ...],
    brought: bool,
    verdict: str,
) -> None:
    assert verdict_of("lr=0.1", of(*losses), of(2.0, 1.0), cured, left, brought) == verdict


def test_runs_that_do_not_begin_alike_are_not_compared() -> None:
    words = verdict_of("clip-norm=1.0", of(2.1, 0.1), of(2.0, 1.0), (), (), False)
    assert words.startswith("cannot tell: the script does not begin alike twice")
    assert verdict_of("spectral-norm", of(2.1, 0.1), of(2.0, 1.0), (), (), False) == "helped"
    assert verdict_of("lr-range", of(2.1, 0.1), of(2.0, 1.0), (), (), False) == ""


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (of(2.0, 0.1), "learned by heart, from 2 to 0.1"),
        (of(2.0, 1.9), "not learned by heart: 2 falls to 1.9 only"),
        (of(2.0, 1.9, steps=30), "cannot tell: 30 steps are too few"),
        (of(-1.0, -2.0), "cannot tell: no loss above 0"),
    ],
)
def test_one_batch_must_be_learned_by_heart(run: Run, words: str) -> None:
    assert verdict_of("one-batch", run, run, (), (), False).startswith(words)


def test_each_finding_calls_for_its_trials_once() -> None:
    assert called_for(["RUN104", "RUN307", "RUN306", "RUN999"]) == [
        "clip-norm=1.0",
        "lr=0.1",
        "one-batch",
        "lr-range",
    ]


def test_the_command_picks_trials(tmp_path: Path) -> None:
    code = """
        net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        for i in range(30):
            x = torch.randn(16, 8)
            optimizer.zero_grad()
            F.mse_loss(net(x), 5 * x.square().sum(1, keepdim=True)).backward()
            optimizer.step()
    """
    options = ("--try", "--no-second-pass", "--output-format", "concise")
    done = trainlint("run", write(tmp_path, code), *options)
    rows = [line.split()[0] for line in done.stdout.splitlines() if line[:2] in ("cl", "lr")]
    assert rows == ["clip-norm=1.0", "lr=0.1"]
    assert "  cured: clip_grad_norm_(1) before 30 steps" in done.stdout
