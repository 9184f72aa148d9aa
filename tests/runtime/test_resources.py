"""What a run uses up: graphs that stay alive, memory that creeps, waiting for data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_builder import BACKWARD, SCRIPT, STEP, found, ordinary, reason, state
from watched import watch

from trainlint.runtime_checks.record import KeptGraphs, Memory, Site, Waiting
from trainlint.runtime_checks.run import Run

ADDS = Site(SCRIPT, 24)
KEPT = KeptGraphs(19, ADDS, 19, 20, "total")
WAITING = Waiting(39, Site(SCRIPT, 18), 1, 32, 0.05, 0.08, 0)


def test_graphs_that_pile_up() -> None:
    run = ordinary()
    run.kept = [replace(KEPT, alive=4, looked=5), KEPT]
    (finding,) = found(run, "RUN901")
    assert finding.location.line == ADDS.line
    assert "`total` holds them" in finding.message
    run.kept = [replace(KEPT, site=BACKWARD, keeper="")]
    assert "something holds them" in found(run, "RUN901")[0].message


@pytest.mark.parametrize(("alive", "looked"), [(5, 6), (9, 60)])
def test_a_few_graphs_or_those_of_a_window(alive: int, looked: int) -> None:
    run = ordinary()
    run.kept = [replace(KEPT, alive=alive, looked=looked)]
    assert f"at most {alive} graphs" in reason(run, "RUN901")
    assert state(ordinary(), "RUN901") == "passed"


LOOP = """
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    kept, total = [], 0.0
    for i in range(40):
        optimizer.zero_grad()
        loss = F.mse_loss(net(torch.randn(8, 4)), torch.ones(8, 1))
        loss.backward()
        optimizer.step()
        {}
"""


@pytest.mark.parametrize(
    ("keeps", "is_found"),
    [
        ("total = total + loss", True),
        ("kept.append(loss)", True),
        ("total += loss.detach()", False),
        ("kept.append(loss.item())", False),
        ("kept = [*kept[-4:], loss]", False),
        ("pass", False),
    ],
)
def test_what_keeps_graphs(keeps: str, is_found: bool, tmp_path: Path) -> None:
    told = watch(tmp_path, LOOP.format(keeps))
    assert [(code, told.line(code)) for code in told.codes] == ([("RUN901", 9)] if is_found else [])


def memory(growth: float, *, passes: int = 4, whole: bool = True) -> Run:
    """A run of 40 steps whose memory grows by so many bytes from look to look."""
    run = ordinary()
    run.memory = [
        Memory(step, int(4e8 + index * growth), 0, passes, whole)
        for index, step in enumerate(range(14, 40, 2))
    ]
    return run


def test_memory_that_creeps() -> None:
    (finding,) = found(memory(1e7), "RUN902")
    assert finding.location.line == STEP.line
    assert "grows by 5000 kB a step" in finding.message
    run = memory(0)
    run.memory = [replace(one, allocated=one.step * 10**7) for one in run.memory]
    assert "memory on the GPU" in found(run, "RUN902")[0].message


@pytest.mark.parametrize("run", [memory(1e5), memory(-1e7), memory(0)])
def test_memory_that_stays(run: Run) -> None:
    assert state(run, "RUN902") == "passed"


@pytest.mark.parametrize("run", [memory(1e7, passes=2), memory(1e7, whole=False), ordinary()])
def test_memory_while_data_are_still_coming(run: Run) -> None:
    assert "needs 8 looks at memory after two whole passes" in reason(run, "RUN902")


def test_kept_graphs_explain_memory() -> None:
    run = memory(1e7)
    run.kept = [KEPT]
    assert "RUN901" in reason(run, "RUN902")


def test_waiting_for_data() -> None:
    run = ordinary()
    assert "fewer than 16" in reason(run, "RUN903")
    run.waiting = [replace(WAITING, wait=0.001), WAITING]
    (finding,) = found(run, "RUN903")
    assert finding.location.line == 18
    assert "62% of each step" in finding.message
    assert "50 of 80 ms, without workers" in finding.message


@pytest.mark.parametrize("changed", [{"wait": 0.002, "period": 0.003}, {"period": 0.6}])
def test_batches_that_come_soon_enough(changed: dict[str, float]) -> None:
    run = ordinary()
    run.waiting = [replace(WAITING, **changed)]  # type: ignore[arg-type]
    assert state(run, "RUN903") == "passed"


def test_slow_samples_are_waited_for(tmp_path: Path) -> None:
    code = """
        import time
        class Slow(torch.utils.data.Dataset):
            def __len__(self):
                return 80
            def __getitem__(self, index):
                time.sleep(0.02)
                return torch.ones(4)
        net = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        for x in DataLoader(Slow(), 2):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    """
    told = watch(tmp_path, code, whole_passes=True)
    assert (told.codes, told.line("RUN903")) == (["RUN903"], 10)
