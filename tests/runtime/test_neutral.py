"""Observing changes nothing: seeded losses and weights are the same to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from trainlint.runtime_checks.runner import Options, observe

# Each prints the hash of its losses, weights, optimizer state and next random numbers.
PRELUDE = """
import hashlib, random, sys
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

random.seed(0); np.random.seed(0); torch.manual_seed(0)
torch.set_num_threads(1)
seen = []

def keep(value):
    if isinstance(value, torch.Tensor):
        seen.append(value.detach().double().cpu().numpy().tobytes())
    elif isinstance(value, dict):
        for item in value.values():
            keep(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            keep(item)
    else:
        seen.append(repr(value).encode())

def tell(*objects):
    for one in objects:
        keep(one.state_dict())
    keep([torch.rand(3), random.random(), float(np.random.rand())])
    digest = hashlib.sha256(b"".join(seen)).hexdigest()
    open(sys.argv[1], "w").write(f"{digest} {len(seen)}")

def loader(workers=0):
    x = torch.randn(96, 3, 8, 8)
    return DataLoader(TensorDataset(x, (x.mean((1, 2, 3)) > 0).long()), 16, shuffle=True,
                      num_workers=workers)

def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3),
                         nn.Flatten(), nn.Linear(288, 2))
"""

SCRIPTS = {
    "classifier": """
        model, data = network(), loader()
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        for epoch in range(4):
            model.train()
            for x, y in data:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                keep(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
                optimizer.step()
                keep(loss)
            scheduler.step()
            model.eval()
            with torch.no_grad():
                for x, y in data:
                    keep(F.cross_entropy(model(x), y))
        tell(model, optimizer)
    """,
    "gan": """
        maker = nn.Linear(4, 192)
        judge = nn.Sequential(nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 1))
        first = torch.optim.RMSprop(maker.parameters(), 1e-3)
        second = torch.optim.RMSprop(judge.parameters(), 1e-3)
        bce = nn.BCEWithLogitsLoss()
        for epoch in range(3):
            for x, _ in loader():
                real, made = x.flatten(1), maker(torch.randn(len(x), 4))
                second.zero_grad()
                loss = bce(judge(real), torch.ones(len(x), 1)) + bce(
                    judge(made.detach()), torch.zeros(len(x), 1))
                loss.backward()
                second.step()
                first.zero_grad()
                other = bce(judge(made), torch.ones(len(x), 1))
                other.backward()
                first.step()
                keep([loss, other])
        tell(maker, judge, first, second)
    """,
    "accumulation under amp": """
        model, data = network(), loader()
        optimizer = torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
        for epoch in range(3):
            for index, (x, y) in enumerate(data):
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = F.cross_entropy(model(x), y) / 2
                scaler.scale(loss).backward()
                if index % 2:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_value_(model.parameters(), 0.1)
                    scaler.step(optimizer)
                    scaler.update()
                    optimizer.zero_grad()
                keep([loss, scaler.get_scale()])
        tell(model, optimizer)
    """,
    "closure": """
        model, data = network(), loader()
        optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=4)
        for x, y in data:
            def closure():
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss
            keep(optimizer.step(closure))
        tell(model)
    """,
    "workers, hooks, frozen, sparse, checkpoint": """
        from torch.utils.checkpoint import checkpoint

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(10, 6, sparse=True)
                self.frozen, self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
                self.frozen.requires_grad_(False)
            def forward(self, x):
                h = self.frozen(self.table(x).mean(1))
                h = checkpoint(self.a, h, use_reentrant=False)
                return self.b(F.dropout(h, 0.2, self.training))

        model = Net()
        model.b.weight.register_hook(lambda grad: grad * 0.5)
        model.a.register_forward_hook(lambda module, inputs, output: output * 1.5)
        dense = torch.optim.AdamW([p for n, p in model.named_parameters() if "table" not in n
                                   and p.requires_grad], 1e-2)
        sparse = torch.optim.SparseAdam(list(model.table.parameters()), 1e-2)
        rows = DataLoader(TensorDataset(torch.randint(10, (64, 5))), 8, shuffle=True, num_workers=2)
        for epoch in range(2):
            for (x,) in rows:
                model.zero_grad()
                loss = F.cross_entropy(model(x), x[:, 0] % 2)
                loss.backward()
                dense.step()
                sparse.step()
                keep(loss)
        tell(model, dense, sparse)
    """,
    "two losses, gradients kept, gradient penalty": """
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2, foreach=False)
        for step in range(20):
            x = torch.randn(16, 6, requires_grad=True)
            optimizer.zero_grad(set_to_none=False)
            out = model(x)
            (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
            (slope.norm(dim=1) - 1).square().mean().backward(retain_graph=True)
            out.mean().backward()
            optimizer.step()
            keep([out, slope, *(p.grad for p in model.parameters())])
        tell(model, optimizer)
    """,
    "log": """
        from torch.utils.tensorboard import SummaryWriter
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with SummaryWriter(sys.argv[1] + ".log") as writer:
            for step in range(10):
                optimizer.zero_grad()
                loss = model(torch.randn(8, 4)).square().mean()
                loss.backward()
                optimizer.step()
                writer.add_scalar("loss", loss, step)
                keep(loss)
        tell(model, optimizer)
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_losses_weights_and_random_numbers_are_the_same(name: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PRELUDE + textwrap.dedent(SCRIPTS[name]))
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    subprocess.run([sys.executable, script, plain], check=True, timeout=120)
    run = observe(script, [str(watched)], Options(), record=tmp_path / "record.jsonl")
    assert run.end is not None
    assert run.end.reason == "finished"
    assert run.steps
    assert not [note for note in run.notes if note.startswith("not measured")]
    assert watched.read_text() == plain.read_text()
    assert int(plain.read_text().split()[1]) > 10


def test_the_probes_were_in_place(tmp_path: Path) -> None:
    """Else the test above would compare two plain runs."""
    script = tmp_path / "train.py"
    script.write_text(PRELUDE + textwrap.dedent(SCRIPTS["classifier"]))
    run = observe(script, [str(tmp_path / "o")], Options(), record=tmp_path / "r.jsonl")
    assert len(run.steps) == 24
    assert len(run.clips) == 24
    assert len(run.evaluations) == 4
    assert all(step.loss is not None for step in run.steps)
    assert [step.step for step in run.steps if step.norm is not None] == [*range(20), 22]


def test_the_scripts_surroundings_are_those_of_python(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import json, os, sys\n"
        "import torch\n"
        "json.dump({'argv': sys.argv, 'name': __name__, 'file': __file__, 'path': sys.path[0],\n"
        "           'main': sys.modules['__main__'].__dict__ is globals(), 'cwd': os.getcwd(),\n"
        "           'doc': __doc__, 'package': __package__, 'seed': torch.initial_seed() > 0,\n"
        "           'env': sorted(set(os.environ) - {'_'})}, open(sys.argv[1], 'w'))\n"
    )

    def told(command: list[str]) -> Any:
        subprocess.run(command, check=True, cwd=tmp_path, timeout=60, capture_output=True)
        return json.loads((tmp_path / "told.json").read_text())

    plain = told([sys.executable, "train.py", "told.json", "--x"])
    command = [sys.executable, "-m", "trainlint", "run", "train.py", "--", "told.json", "--x"]
    done = subprocess.run(command, cwd=tmp_path, timeout=60, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr  # it never trains
    assert json.loads((tmp_path / "told.json").read_text()) == plain
    assert plain["path"] == os.path.realpath(tmp_path)
