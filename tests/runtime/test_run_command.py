"""What `trainlint run` prints and returns, beside what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import trainlint
from watched import write


def test_a_syntax_error_is_told_once(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import torch\ndef f(:\n    pass\n")
    done = trainlint("run", script)
    assert done.returncode == 2
    assert done.stderr == f"{script}:2:7: error: syntax error: invalid syntax\n"
    assert done.stdout == "Nothing found; 1 path could not be checked.\n"
    result = json.loads(trainlint("run", script, "--output-format", "json").stdout)
    assert (result["findings"], len(result["problems"]), "run" in result) == ([], 1, False)


def test_an_option_of_the_scripts_own() -> None:
    done = trainlint("run", "fixtures/broken.py", "--lr", "3")
    assert done.returncode == 2
    assert "'--lr': the script's own options follow `--`" in done.stderr.replace("--lr:", "'--lr':")
    assert ".:" not in done.stderr


@pytest.mark.parametrize("mistake", ["", "net = nn.Sequential(nn.Linear(4, 2), nn.Softmax(1))"])
def test_a_script_that_refuses_its_arguments_was_not_checked(mistake: str, tmp_path: Path) -> None:
    code = f"""
import argparse
argparse.ArgumentParser().parse_args()
{mistake or "net = nn.Linear(4, 2)"}
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for i in range(20):
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(net(torch.randn(8, 4)), torch.zeros(8).long()).backward()
    optimizer.step()
"""
    script = write(tmp_path, code)
    assert bool(trainlint("check", script).returncode) == bool(mistake)
    assert trainlint("run", script, "--", "--bogus").returncode == 2
    assert trainlint("run", script).returncode == bool(mistake)


def test_the_traceback_of_an_attempt_that_was_cut_is_not_shown(tmp_path: Path) -> None:
    code = """
net = nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
seen = 0
for x, in DataLoader(TensorDataset(torch.randn(80, 4)), 2):
    optimizer.zero_grad()
    net(x).square().mean().backward()
    optimizer.step()
    seen += 1
assert seen == 40, seen
"""
    script = write(tmp_path, code)
    done = trainlint("run", script, "--max-steps", "60", "--output-format", "concise")
    assert done.returncode == 0
    assert "the script was run again without cutting any" in done.stdout
    assert "Traceback" not in done.stderr
    script.write_text(script.read_text().replace("== 40", "== 41"))
    done = trainlint("run", script, "--max-steps", "60", "--output-format", "concise")
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "AssertionError: 40" in done.stderr


def verdicts(script: Path) -> dict[str, str | None]:
    found = json.loads(trainlint("run", script, "--output-format", "json").stdout)["findings"]
    return {one["code"]: one["verdict"] for one in found}


def test_an_evaluation_in_training_mode_is_confirmed(tmp_path: Path) -> None:
    code = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.drop, self.out = nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)
    def forward(self, x):
        return self.out(self.drop(torch.relu(self.features(x))))
data = TensorDataset(torch.randn(64, 4), torch.randint(0, 2, (64,)))
training, held = DataLoader(data, 8, shuffle=True), DataLoader(data, 16)
net = Net()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(2):
    for x, y in training:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    correct = 0
    with torch.no_grad():
        for x, y in held:
            correct += net(x).argmax(1).eq(y).sum().item()
    print(correct / len(held.dataset))
"""
    assert verdicts(write(tmp_path, code)) == {"TRN304": "confirmed"}


def test_a_loss_class_that_is_called_as_a_function_is_confirmed(tmp_path: Path) -> None:
    code = """
net = nn.Linear(4, 1)
optimizer = torch.optim.Adam(net.parameters())
for i in range(20):
    x = torch.randn(8, 4)
    optimizer.zero_grad()
    loss = nn.MSELoss(net(x), x[:, :1])
    loss.backward()
    optimizer.step()
"""
    assert verdicts(write(tmp_path, code)) == {"TRN412": "confirmed"}
