"""The same files give the same answers: whatever the hash seed, the order and the spelling."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command import FIXTURES, trainlint

from trainlint.lint import asking, engine
from trainlint.lint.lower import interpret
from trainlint.lint.model import Script
from trainlint.lint.rule import found
from trainlint.registry import RULES, Entry, load
from trainlint.selection import Selection

SHARED = """
import torch
def fit(loader, writer):
    for epoch in range(3):
        for i, x in enumerate(loader):
            writer.add_scalar("loss", x.mean(), epoch)
"""
MAIN = """
import torch
from torch.utils.tensorboard import SummaryWriter
from shared import fit
fit(torch.randn(5, 4, 3), SummaryWriter({log!r}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two scripts that find a mistake in a third file, beside the fixtures."""
    (tmp_path / "shared.py").write_text(SHARED)
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(MAIN.format(log=name))
    for path in sorted(FIXTURES.glob("*.py")):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def answers(done: subprocess.CompletedProcess[str]) -> str:
    """All that was found, paths cut to their names."""
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout, object_hook=_with_short_path)
    return json.dumps(result["findings"], indent=1)


def _with_short_path(value: dict[str, object]) -> dict[str, object]:
    return {key: Path(str(v)).name if key == "path" else v for key, v in value.items()}


def check(project: Path, *paths: str, seed: str = "0") -> str:
    done = trainlint(
        "check", *paths, "--output-format", "json", cwd=project, PYTHONHASHSEED=seed
    )  # fmt: skip
    return answers(done)


def test_answers_depend_on_the_files_alone(project: Path) -> None:
    known = check(project, ".")
    assert '"shared.py"' in known
    assert known.count("TRN701") >= 2
    names = sorted(path.name for path in project.glob("*.py"))
    for seed in ("1", "2", "3"):
        assert check(project, ".", seed=seed) == known
    assert check(project, *names) == known
    assert check(project, *reversed(names)) == known
    assert check(project, str(project)) == known
    assert check(project.parent, project.name) == known


def _entries() -> list[Entry]:
    """A rule that breaks, before one that answers and one that asks for the flow."""

    def breaks(script: Script) -> Iterator[object]:
        raise KeyError("oops")

    def answers_all(script: Script) -> Iterator[object]:
        yield found(script.location(script.module.body[0]), "here")

    def asks(script: Script) -> Iterator[object]:
        yield from (found(event.site, "event") for event in script.events("nothing"))

    some = load(RULES)[0]
    rules = (("TRN997", breaks), ("TRN998", answers_all), ("TRN999", asks))
    return [
        replace(some, code=code, name=rule.__name__, function=rule, needs=())
        for code, rule in rules
    ]


def _check(monkeypatch: pytest.MonkeyPatch, folder: Path) -> engine.Checked:
    monkeypatch.setattr(asking, "load", lambda package: _entries())
    path = folder / "x.py"
    path.write_text("import torch\n")
    means = engine.Means(rules=_entries())
    return engine.check_paths([str(path)], Selection(("TRN",)), means=means)


def test_a_rule_that_breaks_is_named_and_the_others_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checked = _check(monkeypatch, tmp_path)
    assert [one.code for one in checked.findings] == ["TRN998"]
    (problem,) = checked.problems
    assert problem.message == "internal error in TRN997 (breaks): KeyError: 'oops'"


def test_a_model_that_breaks_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(script: Script) -> None:
        raise ValueError("no")

    monkeypatch.setattr(interpret, "lower_flow", broken)
    checked = _check(monkeypatch, tmp_path)
    assert [one.code for one in checked.findings] == ["TRN998"]
    messages = [problem.message for problem in checked.problems]
    assert "internal error in reading the script's flow: ValueError: no" in messages
    assert len(messages) == 2
