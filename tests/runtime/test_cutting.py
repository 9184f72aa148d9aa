"""Passes that are cut short, scripts that fall over it, and what the last line says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, trainlint

HEAD = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
torch.manual_seed(0)
data = TensorDataset(torch.randn(400, 4), torch.randn(400, 1))
loader = DataLoader(data, batch_size=4, shuffle=True)
held_out = DataLoader(data, batch_size=2)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
criterion = nn.MSELoss()
def step(x, y):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()
"""


def run(folder: Path, body: str, *options: str) -> dict[str, Any]:
    """Run a script with a budget of 40 steps: a pass of its 100 batches may take ten."""
    script = folder / "train.py"
    script.write_text(HEAD + body)
    done = trainlint("run", script, "--max-steps", "40", "--output-format", "json", *options)
    assert "Traceback" not in done.stderr or "trainlint" not in done.stderr.split("Traceback")[1]
    result: dict[str, Any] = json.loads(done.stdout)
    result["returncode"] = done.returncode
    return result


def codes(result: dict[str, Any]) -> list[str]:
    return [one["code"] for one in result["findings"]]


def is_cut(result: dict[str, Any]) -> bool:
    return any("cut short" in note for note in result["run"]["notes"])


@pytest.mark.parametrize(
    "body",
    [
        "for epoch in range(9):\n    for x, y in loader:\n        step(x, y)\n",
        "for epoch in range(9):\n    for i, (x, y) in enumerate(loader):\n        step(x, y)\n",
        "for epoch in range(9):\n    [step(x, y) for x, y in loader]\n",
        "def forever():\n    while True:\n        yield from loader\n"
        "for x, y in forever():\n    step(x, y)\n",
    ],
)
def test_a_for_statements_training_pass_is_cut(body: str, tmp_path: Path) -> None:
    result = run(tmp_path, body)
    if "yield from" not in body:
        assert is_cut(result)
    assert codes(result) == []
    assert not is_cut(run(tmp_path, body, "--whole-passes"))


@pytest.mark.parametrize(
    "body",
    [
        "it = iter(loader)\nfor i in range(len(loader)):\n    x, y = next(it)\n    step(x, y)\n",
        # validation predictions are compared with the data set
        "for epoch in range(9):\n"
        "    for i, (x, y) in enumerate(loader):\n"
        "        if i == 5:\n            break\n"
        "        step(x, y)\n"
        "    model.eval()\n"
        "    with torch.no_grad():\n"
        "        out = torch.cat([model(x) for x, y in held_out])\n"
        "    assert len(out) == len(data)\n"
        "    model.train()\n",
    ],
)
def test_what_counts_on_every_batch_gets_every_batch(body: str, tmp_path: Path) -> None:
    result = run(tmp_path, body)
    assert codes(result) == []
    assert not is_cut(result)


def test_a_script_that_falls_over_a_cut_is_run_again_without(tmp_path: Path) -> None:
    body = """
for epoch in range(9):
    seen = 0
    for x, y in loader:
        step(x, y)
        seen += 1
    assert seen == len(loader)
"""
    result = run(tmp_path, body)
    assert codes(result) == []
    assert any("run again without cutting" in note for note in result["run"]["notes"])
    assert result["run"]["steps"] == 40


def test_three_evaluations_fit_into_the_budget(tmp_path: Path) -> None:
    body = """
for epoch in range(9):
    for x, y in loader:
        step(x, y)
    with torch.no_grad():
        for x, y in held_out:
            criterion(model(x), y)
"""
    result = run(tmp_path, body)
    assert len(result["run"]["evaluations"]) >= 3
    assert [one["epoch"] for one in result["run"]["evaluations"]][:3] == [1, 2, 3]


def test_giving_up_with_an_error_is_found(tmp_path: Path) -> None:
    body = "for x, y in loader:\n    step(x, y)\n    raise SystemExit('diverged, giving up')\n"
    result = run(tmp_path, body)
    (finding,) = result["findings"]
    assert finding["code"] == "RUN004"
    assert "sys.exit('diverged, giving up') after 1 optimizer step" in finding["message"]
    assert finding["location"]["line"] == HEAD.count("\n") + 3
    assert codes(run(tmp_path, "step(*next(iter(loader)))\nimport sys\nsys.exit(0)\n")) == []


def test_runs_that_are_compared_begin_from_one_seed(tmp_path: Path) -> None:
    body = "for x, y in loader:\n    print(step(x, y))\n    break\n"
    unseeded = HEAD.replace("torch.manual_seed(0)\n", "")
    script = tmp_path / "train.py"
    script.write_text(unseeded + body)
    done = trainlint("run", script, "--trial", "clip-norm=100", "--output-format", "json")
    first, second = done.stderr.split()[:2]
    assert float(first) == float(second)
    notes = json.loads(done.stdout)["run"]["notes"]
    assert any("sets no seed of torch's" in note for note in notes)
    script.write_text(HEAD + body)
    done = trainlint("run", script, "--trial", "clip-norm=100", "--output-format", "json")
    assert not any("seed" in note for note in json.loads(done.stdout)["run"]["notes"])


def test_a_trial_of_a_killed_script_was_applied(tmp_path: Path) -> None:
    body = "import os\nfor i, (x, y) in enumerate(loader):\n    step(x, y)\n"
    body += "    if i == 5:\n        os._exit(0)\n"
    result = run(tmp_path, body, "--trial", "clip-norm=1.0", "--trial", "weight-norm")
    assert codes(result) == ["RUN002"]
    assert [row["reason"] for row in result["run"]["trials"]] == ["", "", ""]


def test_where_nothing_trained_trials_say_so(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import torch\nprint('hello')\n")
    done = trainlint("run", script, "--trial", "clip-norm=1.0")
    assert "clip-norm=1.0  not run: the plain run reached no optimizer step" in done.stdout
    assert done.stdout.rstrip().endswith("Nothing was seen of its training.")
    assert done.returncode == 2


def test_an_interrupted_trial_is_told(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    body = "for epoch in range(100):\n    for x, y in loader:\n        step(x, y)\n"
    script.write_text(HEAD + "import os, time\n" + body + """
        if os.path.exists("second"):
            open("waiting", "w").close()
            time.sleep(30)
        if optimizer.state_dict() and epoch == 0 and not os.path.exists("second"):
            open("second", "w").close()
            raise SystemExit(0)
""")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "trainlint", "run", "train.py", "--trial", "clip-norm=1.0",
         "--trial", "weight-norm"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    for _ in range(600):
        if (tmp_path / "waiting").exists():
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "clip-norm=1.0  interrupted" in out
    assert "weight-norm    not run: interrupted before" in out


def test_our_frames_stay_out_of_chained_tracebacks(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEAD + """
try:
    with torch.no_grad():
        criterion(model(torch.ones(3, 4)), torch.ones(2, 5, 7))
except RuntimeError as error:
    raise ValueError("shapes") from error
""")  # fmt: skip
    done = trainlint("run", script)
    assert "ValueError: shapes" in done.stderr
    assert "runtime_checks" not in done.stderr[done.stderr.index("Traceback") :]


def test_lbfgs_is_left_alone_by_norms(tmp_path: Path) -> None:
    body = """
optimizer = torch.optim.LBFGS(model.parameters())
def closure():
    optimizer.zero_grad()
    loss = criterion(model(data.tensors[0]), data.tensors[1])
    loss.backward()
    return loss
for _ in range(3):
    optimizer.step(closure)
"""
    row = run(tmp_path, body, "--trial", "weight-norm")["run"]["trials"][1]
    assert "within step(), in a closure" in row["reason"]
