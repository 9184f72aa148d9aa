"""Scripts that do the worst, through the command line: each ends with a clear result, within its
time, and with the record so far. What else the runner survives stands in test_runner.py."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import ROOT, trainlint
from watched import OFFSET, write
from zoo import Watched

TRAIN = """
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
data = TensorDataset(torch.randn(320, 4))
def train(loader, act=lambda step: None):
    for step, (x,) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
        loss.backward()
        optimizer.step()
        act(step)
"""


def run(folder: Path, code: str, *options: str) -> Watched:
    """What `trainlint run` makes of a script that trains, and does that."""
    done = trainlint("run", write(folder, TRAIN + code), *options, "--output-format", "json")
    assert "trainlint" not in done.stderr.replace(str(folder), ""), done.stderr
    return Watched(json.loads(done.stdout), done.stderr)


def line_of(code: str, text: str) -> int:
    """The line on which a text stands in the script that `run` writes."""
    return OFFSET + 1 + (TRAIN + code).lstrip("\n").splitlines().index(text)


def test_it_raises_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    code = """
def act(step):
    if step == 23:
        raise RuntimeError("the disk of the data is gone")
for epoch in range(5):
    train(DataLoader(data, 8, shuffle=True), act)
"""
    watched = run(tmp_path, code)
    line = line_of(code, '        raise RuntimeError("the disk of the data is gone")')
    assert watched.found == [("RUN001", line)]
    assert watched.result["run"]["outcome"] == "raised"
    assert watched.result["run"]["steps"] == 24
    assert watched.output.endswith("RuntimeError: the disk of the data is gone\n")


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("import ctypes; ctypes.string_at(1)", "SIGSEGV", "killed"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL", "killed"),
        ("import os; os.abort()", "SIGABRT", "killed"),
        ("import os; os._exit(0)", "exit status 0", "vanished"),
        ("import os; os._exit(3)", "exit status 3", "vanished"),
    ],
)
def test_its_process_is_gone(code: str, status: str, reason: str, tmp_path: Path) -> None:
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
train(DataLoader(data, 8))
{code}
"""
    watched = run(tmp_path, code)
    (finding,) = watched.result["findings"]
    assert finding["code"] == "RUN002"
    assert status in finding["message"]
    steps = watched.result["run"]["steps"]
    assert f"after {steps} optimizer steps, last training loss" in finding["message"]
    assert watched.result["run"]["outcome"] == reason
    # A quarter of a second may be lost where it comes without warning.
    assert 30 <= steps <= 40 if reason == "killed" else steps == 40


def test_a_data_worker_is_killed(tmp_path: Path) -> None:
    code = """
import os, signal
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 320
    def __getitem__(self, index):
        if index == 200:
            os.kill(os.getpid(), signal.SIGKILL)
        return (torch.randn(4),)
train(DataLoader(Data(), 8, num_workers=2))
"""
    watched = run(tmp_path, code)
    (finding,) = watched.result["findings"]
    assert finding["code"] == "RUN001"
    assert "Error" in finding["message"]  # which one, depends on where the worker was
    assert watched.result["run"]["outcome"] == "raised"
    assert watched.result["run"]["steps"] >= 15


def test_a_data_worker_hangs(tmp_path: Path) -> None:
    code = """
import threading
lock = threading.Lock()
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 320
    def __getitem__(self, index):
        if index == 160:
            lock.acquire()
            lock.acquire()
        return (torch.randn(4),)
train(DataLoader(Data(), 8, num_workers=1))
"""
    began = time.monotonic()
    watched = run(tmp_path, code, "--max-seconds", "25")
    assert time.monotonic() - began < 60
    (finding,) = watched.result["findings"]
    assert finding["code"] == "RUN002"
    assert finding["location"]["line"] == line_of("", "    for step, (x,) in enumerate(loader):")
    assert "the script hangs after" in finding["message"]
    assert watched.result["run"]["steps"] >= 15


def test_it_forks_and_both_train(tmp_path: Path) -> None:
    code = """
import os
train(DataLoader(data, 8))
pid = os.fork()
train(DataLoader(data, 8))
if not pid:
    raise ValueError("in the fork")
os.waitpid(pid, 0)
"""
    watched = run(tmp_path, code)
    assert watched.found == []
    assert (watched.result["run"]["outcome"], watched.result["run"]["steps"]) == ("finished", 80)


def test_it_prints_without_end(tmp_path: Path) -> None:
    """Passed on as it comes, and kept nowhere: 200 MB take no memory of ours."""
    code = """
import sys
train(DataLoader(data, 8), lambda step: sys.stdout.write(5_000_000 * "x" + chr(10)))
"""
    command = [sys.executable, "-m", "trainlint", "run", str(write(tmp_path, TRAIN + code))]
    measured = f"""
import resource, subprocess, sys
process = subprocess.Popen({command!r}, stdout=subprocess.PIPE)
size, last = 0, b""
while chunk := process.stdout.read(1 << 20):
    size, last = size + len(chunk), (last + chunk)[-3000:]
_, status, usage = __import__("os").wait4(process.pid, 0)
print(size, status, usage.ru_maxrss, last.decode().splitlines()[-1])
"""
    done = subprocess.run(
        [sys.executable, "-c", measured], cwd=ROOT, capture_output=True, timeout=120, check=True
    )
    size, status, peak, last = done.stdout.decode().split(maxsplit=3)
    assert int(size) > 200_000_000
    assert (status, last) == ("0", "All clear: 1 file checked.\n")
    assert int(peak) < 1_500_000  # kB; of the script too, which torch alone fills with 300 MB


def test_it_changes_folder_and_arguments_and_closes_its_streams(tmp_path: Path) -> None:
    code = """
import os, sys, tempfile
os.chdir(tempfile.mkdtemp())
os.environ.clear()
sys.argv[:] = ["another.py", "--lr", "1"]
sys.argv = None
train(DataLoader(data, 8))
sys.stderr.close()
os.close(2)
sys.stdout = sys.stderr = None
train(DataLoader(data, 8))
"""
    watched = run(tmp_path, code)
    assert watched.result["findings"] == []
    assert watched.result["run"]["outcome"] == "finished"
    assert watched.result["run"]["steps"] == 80


def test_it_has_hooks_and_patches_of_its_own(tmp_path: Path) -> None:
    """All of them are called as often as ever, and the mistake is found all the same."""
    code = """
import sys
from torch.nn.modules import module as modules
calls = {"forward": 0, "backward": 0, "step": 0, "loss": 0, "hook": 0, "trace": 0}
def counted(original, name):
    def function(*args, **kwargs):
        calls[name] += 1
        return original(*args, **kwargs)
    return function
def trace(frame, event, argument):
    calls["trace"] += 1
sys.settrace(trace)
modules.register_module_forward_hook(lambda *a: counted(lambda: None, "forward")())
torch.Tensor.backward = counted(torch.Tensor.backward, "backward")
torch.optim.SGD.step = counted(torch.optim.SGD.step, "step")
F.mse_loss = counted(F.mse_loss, "loss")
model[0].weight.register_hook(lambda grad: counted(lambda: grad, "hook")())
optimizer.zero_grad = lambda: None
train(DataLoader(data, 8))
sys.settrace(None)
assert calls.pop("trace") > 100
assert calls == {"forward": 160, "backward": 40, "step": 40, "loss": 40, "hook": 40}, calls
"""
    watched = run(tmp_path, code, "--select", "RUN")
    line = line_of(code, "        return original(*args, **kwargs)")  # the innermost of its own
    assert watched.found == [("RUN101", line)], watched.why()
    assert watched.result["run"]["outcome"] == "finished"


def test_the_disk_is_full(tmp_path: Path) -> None:
    """The script trains on; the record says where it ends, and that it does."""
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
for epoch in range(4):
    train(DataLoader(data, 8))
    print("epoch", epoch)
"""
    watched = run(tmp_path, code)
    assert watched.found == [], watched.why()
    assert "epoch 3" in watched.output
    assert watched.result["run"]["outcome"] == "finished"
    assert 15 <= watched.result["run"]["steps"] < 160
    assert any("no room" in note for note in watched.result["run"]["notes"])
