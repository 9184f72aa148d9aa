"""Several processes: the same answers, whatever becomes of one of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from command import FIXTURES, trainlint

from trainlint.lint import asking
from trainlint.lint.answer import Answer, Question
from trainlint.lint.engine import Checked, Means, check_paths
from trainlint.lint.project import Project
from trainlint.selection import Selection

ask = asking.ask


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """As many scripts as two processes pay for, several of which find a mistake in another."""
    text = (FIXTURES / "broken.py").read_text(encoding="utf-8")
    (tmp_path / "shared.py").write_text(text, encoding="utf-8")
    for number in range(40):
        name = tmp_path / f"train{number}.py"
        name.write_text(f"{text}\n# {'-' * 9000}\nimport shared\n", encoding="utf-8")
    (tmp_path / "wrong.py").write_text("import torch\nif:\n")
    return tmp_path


@pytest.mark.parametrize("jobs", ["0", "2", "3"])
def test_the_answers_are_those_of_one_process(many: Path, jobs: str) -> None:
    arguments = ("check", ".", "--output-format", "json", "-j")
    one, several = (trainlint(*arguments, count, cwd=many) for count in ("1", jobs))
    assert (several.stdout, several.stderr) == (one.stdout, one.stderr)
    assert several.returncode == one.returncode == 2
    assert one.stdout.count('"TRN701"') >= 40


def test_what_several_processes_learned_is_kept(many: Path) -> None:
    for jobs in ("2", "1"):
        done = trainlint("check", ".", "-j", jobs, cwd=many, TRAINLINT_NO_CACHE="")
        assert done.stdout.count("TRN701") >= 40
    (many / "shared.py").write_text("")
    known = trainlint("check", ".", "-j", "2", cwd=many, TRAINLINT_NO_CACHE="")
    fresh = trainlint("check", ".", "-j", "1", cwd=many)
    assert known.stdout == fresh.stdout


def _check(folder: Path) -> Checked:
    return check_paths([str(folder)], Selection(), means=Means(jobs=2))


def test_a_process_that_dies_takes_one_file_with_it(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _check(many)

    def dies(question: Question, project: Project) -> Answer:
        if question.path.endswith("train7.py"):
            os.kill(os.getpid(), signal.SIGKILL)
        return ask(question, project)

    monkeypatch.setattr(asking, "ask", dies)
    after = _check(many)
    (died,) = (one for one in after.problems if one not in before.problems)
    assert (Path(died.path).name, died.message[:25]) == ("train7.py", "the process that read it ")
    assert [one for one in before.findings if "train7.py" not in one.location.path] == (
        after.findings
    )


def test_small_work_is_done_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[int] = []

    def noted(question: Question, project: Project) -> Answer:
        here.append(os.getpid())
        return ask(question, project)

    monkeypatch.setattr(asking, "ask", noted)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("import torch\n")
    assert _check(tmp_path).files == 2
    assert here == [os.getpid()] * 2
