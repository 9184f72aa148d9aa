"""Training in a thread is watched, and of other processes it is said that they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import trainlint
from watched import Told, watch, write

TRAIN = """
import threading
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 1)
    def forward(self, x):
        return self.b(torch.relu(self.a(x)))
net = Net()
optimizer = torch.optim.SGD(net.parameters(), 0.01)
def train(steps=40, clear=True):
    for _ in range(steps):
        if clear:
            optimizer.zero_grad()
        net(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
"""
STARTS = {
    "joined": "thread = threading.Thread(target=train)\nthread.start()\nthread.join()\n",
    "left to end by itself": "threading.Thread(target=train).start()\n",
    "one after another": """
for epoch in range(2):
    thread = threading.Thread(target=train, args=(20,))
    thread.start()
    thread.join()
""",
    "in a pool": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    pool.submit(train).result()
""",
}


def check_whole(told: Told) -> None:
    assert told.codes == []
    assert [step.own for step in told.run.steps] == list(range(40))
    (info,) = told.run.optimizers.values()
    assert info.parameters == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert told.run.end is not None
    assert told.run.end.reason == "finished"


@pytest.mark.parametrize("name", STARTS)
def test_a_thread_that_trains_is_watched(name: str, tmp_path: Path) -> None:
    check_whole(watch(tmp_path, TRAIN + STARTS[name]))


def test_a_mistake_in_a_thread_is_found(tmp_path: Path) -> None:
    code = "thread = threading.Thread(target=train, args=(40, False))\nthread.start()\n"
    assert watch(tmp_path, TRAIN + code).codes == ["RUN101"]


def test_the_budget_ends_a_thread_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "thread = threading.Thread(target=train, args=(10**9,))\nthread.start()\nthread.join()\n"
    told = watch(tmp_path, TRAIN + code, max_steps=25)
    assert len(told.run.steps) == 25
    assert told.run.end is not None
    assert told.run.end.reason == "steps"
    assert "Traceback" not in capfd.readouterr().err


def test_a_second_thread_is_told_of(tmp_path: Path) -> None:
    code = """
train(20)
other = nn.Linear(4, 1)
def more():
    other(torch.randn(2, 4)).mean().backward()
thread = threading.Thread(target=more)
thread.start()
thread.join()
train(20)
"""
    told = watch(tmp_path, TRAIN + code)
    assert len(told.run.steps) == 40
    assert any("more than one thread" in note for note in told.run.notes)


def test_processes_of_its_own_are_told_of(tmp_path: Path) -> None:
    code = """
import torch.multiprocessing as mp
if __name__ == "__main__":
    loader = DataLoader(TensorDataset(torch.randn(4, 4)), num_workers=1)
    list(loader)
    context = mp.get_context("fork")
    processes = [context.Process(target=train, args=(2,)) for _ in range(2)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()
"""
    script = write(tmp_path, TRAIN + code)
    done = trainlint("run", script, "--output-format", "concise")
    assert done.returncode == 2
    assert "it started 2 processes of its own, and those are not watched" in done.stdout
