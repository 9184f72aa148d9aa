"""The fixtures, end to end through the command line: exactly the findings that their lines name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import FIXTURES, findings_of, trainlint
from marked import expected


@pytest.mark.parametrize("name", ["broken.py", "mended.py", "exploding.py", "overfitting.py"])
def test_check(name: str) -> None:
    done = trainlint("check", FIXTURES / name, "--output-format", "json")
    wanted = expected((FIXTURES / name).read_text(encoding="utf-8"))
    assert findings_of(done) == wanted
    assert done.returncode == (1 if wanted else 0)
    assert done.stderr == ""


def test_broken_is_what_it_says() -> None:
    wanted = expected((FIXTURES / "broken.py").read_text(encoding="utf-8"))
    assert sorted(code for code, _ in wanted) == ["TRN001", "TRN002", "TRN201", "TRN701"]


def test_article_in_chinese() -> None:
    """The claim is the sentence after the code, not the how-to lists before it."""
    path = FIXTURES / "article_zh.txt"
    text = path.read_text(encoding="utf-8")
    done = trainlint("check", path, "--output-format", "json")
    claim = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("上面的代码"))
    assert findings_of(done) == sorted([*expected(text), ("TRN201", claim)], key=lambda f: f[1])
    (finding,) = [one for one in json.loads(done.stdout)["findings"] if one["code"] == "TRN201"]
    at = finding["location"]
    line = text.splitlines()[claim - 1]
    sentence = line[at["column"] - 1 : at["end_column"] - 1]
    assert sentence.startswith("上面的代码训练了一个两层的网络，并使用`clip_grad_norm_`函数")
    assert sentence.endswith("训练因此更稳定。")
    lines = text.splitlines()
    related = [lines[one["location"]["line"] - 1].strip() for one in finding["related"]]
    assert related == ["loss.backward()", "optimizer.step()"]
    assert finding["fix"] is None


def test_mended_article_gives_nothing(tmp_path: Path) -> None:
    text = (FIXTURES / "article_zh.txt").read_text(encoding="utf-8")
    for before, after in (
        ("import torch.nn as nn", "import torch.nn as nn\nimport torch.nn.functional as F"),
        ("loss_function =", "net = Net()\nloss_function ="),
        ("optimizer.step()", "nn.utils.clip_grad_norm_(net.parameters(), 1.0); optimizer.step()"),
        ("epoch * len(loader))", "epoch * len(loader) + i)"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    path = tmp_path / "article.txt"
    path.write_text(text, encoding="utf-8")
    done = trainlint("check", path)
    assert (done.returncode, done.stdout) == (0, "All clear: 1 file checked.\n")


def test_run_exploding() -> None:
    done = trainlint("run", FIXTURES / "exploding.py", "--device", "cpu", "--output-format", "json",
                     "--trial", "clip-norm=1.0")  # fmt: skip
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    source = (FIXTURES / "exploding.py").read_text(encoding="utf-8").splitlines()
    step = 1 + source.index("        optimizer.step()")
    codes = [(one["code"], one["location"]["line"]) for one in result["findings"]]
    assert ("RUN104", step) in codes
    assert {code for code, _ in codes} <= {"RUN104", "RUN105"}
    _, clipped = result["run"]["trials"]
    assert clipped["trial"] == "clip-norm=1.0"
    assert "RUN104" in clipped["cured"]
    assert float(clipped["training"]) < 100
    assert "epoch 0: training loss" in done.stderr, "the script's own output goes to stderr"


def test_run_overfitting() -> None:
    done = trainlint("run", FIXTURES / "overfitting.py", "--output-format", "json")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert [one["code"] for one in result["findings"]] == ["RUN301"]
    (finding,) = result["findings"]
    line = (
        (FIXTURES / "overfitting.py")
        .read_text(encoding="utf-8")
        .splitlines()[finding["location"]["line"] - 1]
    )
    assert "criterion(model(x), y).item()" in line


def test_run_broken_confirms_what_check_found() -> None:
    """The name that is missing ends the script before it trains: the rest was not reached."""
    done = trainlint("run", FIXTURES / "broken.py", "--output-format", "json")
    assert done.returncode == 1, done.stderr
    verdicts = {one["code"]: one["verdict"] for one in json.loads(done.stdout)["findings"]}
    assert verdicts == {
        "TRN001": "confirmed",
        "TRN002": "not reached",
        "TRN201": "not reached",
        "TRN701": "not reached",
    }
