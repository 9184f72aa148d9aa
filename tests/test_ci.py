"""What others plug in: the GitHub action, the snippets of docs/ci.md, the shell's completion."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import FIXTURES, ROOT, trainlint

ACTION = ROOT / "action.yml"
DOCUMENT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)


def _schema_of(snippet: str) -> str:
    if "runs-on:" in snippet:
        return "vendor.github-workflows"
    return "vendor.gitlab-ci" if "script:" in snippet else "pre-commit"


def _validate(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    if schema == "pre-commit":
        command = ["pre_commit", "validate-config", str(path)]
    else:
        command = ["check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("snippet", SNIPPETS, ids=[_schema_of(one) for one in SNIPPETS])
def test_the_snippets_are_what_their_readers_take(snippet: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.yaml").write_text(snippet)
    done = _validate(tmp_path / "snippet.yaml", _schema_of(snippet))
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_snippet_for_each() -> None:
    kinds = {_schema_of(snippet) for snippet in SNIPPETS}
    assert kinds == {"vendor.github-workflows", "vendor.gitlab-ci", "pre-commit"}


def test_the_commands_of_the_snippets_run(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_bytes((FIXTURES / "broken.py").read_bytes())
    commands = re.findall(r"- (?:run: )?trainlint (.*)", DOCUMENT)
    assert len(commands) == 2
    for command in commands:
        assert trainlint(*command.split(), cwd=tmp_path).returncode == 1
    issues = json.loads((tmp_path / "trainlint.json").read_text(encoding="utf-8"))
    assert {issue["location"]["path"] for issue in issues} == {"train.py"}


def test_the_documented_inputs_are_the_actions() -> None:
    inputs = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    assert re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE) == list(inputs)


# -- the action ----------------------------------------------------------------------------------


class Runner:
    """Does what GitHub's runner does with a composite action's steps, but for `uses`."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.action: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
        self.folder, self.work = folder, work
        self.variables: dict[str, str] = {}
        self.log = ""

    def step(self, name: str, outputs: dict[str, str] | None = None, **inputs: str) -> int:
        """Run one step, with inputs besides the defaults; its exit code, as bash gives it."""
        (step,) = (one for one in self.action["runs"]["steps"] if one["name"] == name)
        known = {key: one["default"] for key, one in self.action["inputs"].items()} | inputs
        env = {key: self._value(text, known, outputs or {}) for key, text in step["env"].items()}
        files = {name: self.folder / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.work,
            env={**os.environ, **self.variables, **env, **{k: str(v) for k, v in files.items()},
                 "RUNNER_TEMP": str(self.folder), "GITHUB_WORKSPACE": str(self.work)},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        self.log = done.stdout + done.stderr
        self.variables |= _pairs(files["GITHUB_ENV"])
        return done.returncode

    @property
    def outputs(self) -> dict[str, str]:
        return _pairs(self.folder / "GITHUB_OUTPUT")

    @staticmethod
    def _value(text: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
        found = re.fullmatch(r"\$\{\{ (\S+) \}\}", text)
        assert found is not None, "only whole expressions become variables"
        *where, name = found[1].split(".")
        if where == ["inputs"]:
            return inputs[name]
        return str(ROOT) if found[1] == "github.action_path" else outputs[name]


def _pairs(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """With trainlint in place, as the first step leaves it."""
    (tmp_path / "temp").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_bytes((FIXTURES / "broken.py").read_bytes())
    runner = Runner(tmp_path / "temp", work)
    binary = tmp_path / "bin"
    binary.mkdir()
    (binary / "trainlint").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trainlint "$@"\n')
    (binary / "trainlint").chmod(0o755)
    runner.variables["TRAINLINT_BIN"] = str(binary)
    return runner


def test_the_action_is_one() -> None:
    _validate(ACTION, "vendor.github-actions")
    for step in yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "an input must never become part of a script"


def test_the_action_installs_itself_apart(runner: Runner) -> None:
    """From this tree, into an environment of its own, from the package index."""
    del runner.variables["TRAINLINT_BIN"]
    assert runner.step("Install trainlint", python=sys.executable) == 0, runner.log
    binary = Path(runner.variables["TRAINLINT_BIN"])
    assert binary.is_relative_to(runner.folder)
    assert runner.step("Check", paths="train.py") == 0, runner.log
    assert runner.outputs["exit-code"] == "1"
    log = json.loads(Path(runner.outputs["sarif-file"]).read_text(encoding="utf-8"))
    assert len(log["runs"][0]["results"]) == 4


def test_the_action_uploads_and_fails(runner: Runner) -> None:
    assert runner.step("Check") == 0, runner.log
    assert "train.py:25:23: TRN001" in runner.log
    assert "::error" not in runner.log
    outputs = runner.outputs
    log = json.loads(Path(outputs["sarif-file"]).read_text(encoding="utf-8"))
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert uri == {"uri": "train.py", "uriBaseId": "%SRCROOT%"}
    upload = next(one for one in runner.action["runs"]["steps"] if "uses" in one)
    assert upload["uses"].startswith("github/codeql-action/upload-sarif@")
    assert upload["with"]["sarif_file"] == "${{ steps.check.outputs.sarif-file }}"
    assert runner.step("Result", outputs) == 1
    assert runner.step("Result", outputs, fail="false") == 0
    assert runner.step("Result", {**outputs, "exit-code": "2"}, fail="false") == 2
    assert runner.step("Result", {**outputs, "exit-code": "0"}) == 0


def test_the_action_annotates_where_it_does_not_upload(runner: Runner) -> None:
    assert runner.step("Check", upload="false", args="--select TRN001") == 0, runner.log
    assert "::error title=trainlint (TRN001),file=train.py,line=25" in runner.log
    assert runner.log.count("::") == 2


def test_a_wrong_input_fails_the_action_at_once(runner: Runner) -> None:
    assert runner.step("Check", args="--select NONE") == 2
    assert "unknown code 'NONE'" in runner.log
    assert runner.step("Check", paths="$(touch hacked) `touch hacked`; touch hacked") == 0
    assert runner.outputs["exit-code"] == "2"
    assert not (runner.work / "hacked").exists()


# -- completion ----------------------------------------------------------------------------------


def _completed(words: str) -> list[str]:
    count = len(words.split(" ")) - 1
    done = trainlint(_TRAINLINT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count))
    return [line.split(",", 1)[1] for line in done.stdout.splitlines()]


def test_the_shell_completes() -> None:
    assert {"check", "run", "explain", "rules"} <= set(_completed("trainlint "))
    assert "--output-format" in _completed("trainlint check --output")
    assert {"sarif", "gitlab"} <= set(_completed("trainlint check --output-format "))
    assert _completed("trainlint explain trn20")[0] == "TRN201"
    assert "TRN701" in _completed("trainlint check --select TRN7")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_lines_set_completion_up(shell: str) -> None:
    assert f"_TRAINLINT_COMPLETE={shell}_source" in DOCUMENT
    done = trainlint(_TRAINLINT_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert f"_TRAINLINT_COMPLETE={shell}_complete" in done.stdout
