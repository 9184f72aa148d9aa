"""Configuration: which file counts for which script, what it may say, what is told of mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command import ROOT, findings_of, trainlint
from make import SCHEMA

from trainlint.commands.configuration import schema_text
from trainlint.config import ConfigError, Configs
from trainlint.registry import load_all

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCRIPT = """\
import torch
print(undefined)
for step in range(3):
    if step:
        after = 1
    print(after)
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def check(folder: Path, *arguments: str) -> list[tuple[str, str]]:
    """(path, code) of each finding."""
    done = trainlint("check", *arguments, "--output-format", "json", cwd=folder)
    assert done.returncode < 2, done.stderr
    found = json.loads(done.stdout)["findings"]
    return [(one["location"]["path"], one["code"]) for one in found]


def test_the_nearest_file_counts_for_each_script(tmp_path: Path) -> None:
    write(tmp_path, {
        "pyproject.toml": '[tool.trainlint]\nselect = ["TRN001"]\n',
        "top.py": SCRIPT,
        "inner/trainlint.toml": 'ignore = ["TRN001"]\nextend-select = ["TRN004"]\n',
        "inner/a.py": SCRIPT,
        "inner/deeper/pyproject.toml": "[tool.ruff]\nline-length = 100\n",
        "inner/deeper/b.py": SCRIPT,
        "other/.trainlint.toml": 'select = ["TRN004"]\n',
        "other/trainlint.toml": 'select = ["TRN001"]\n',
        "other/c.py": SCRIPT,
    })  # fmt: skip
    expected = [
        ("inner/a.py", "TRN004"),
        ("inner/deeper/b.py", "TRN004"),
        ("other/c.py", "TRN004"),
        ("top.py", "TRN001"),
    ]
    assert check(tmp_path, ".") == expected
    assert check(tmp_path, "top.py", "other/c.py", "inner") == expected
    below = check(tmp_path / "inner", "deeper/b.py", "../top.py")
    assert below == [("../top.py", "TRN001"), ("deeper/b.py", "TRN004")]


def test_the_search_ends_at_the_top_of_the_repository(tmp_path: Path) -> None:
    write(tmp_path, {"trainlint.toml": 'ignore = ["TRN001"]\n', "repo/a.py": SCRIPT})
    assert check(tmp_path / "repo", "a.py") == []
    (tmp_path / "repo" / ".git").mkdir()
    assert check(tmp_path / "repo", "a.py") == [("a.py", "TRN001")]


def test_the_command_line_comes_before_every_file(tmp_path: Path) -> None:
    write(tmp_path, {
        "trainlint.toml": 'select = ["TRN004"]\nignore = ["TRN001"]\n',
        "a.py": SCRIPT,
        "mine.toml": "[tool.trainlint]\n'per-file-ignores' = { 'sub/*.py' = ['ALL'] }\n",
        "sub/b.py": SCRIPT,
    })  # fmt: skip
    assert check(tmp_path, "a.py") == [("a.py", "TRN004")]
    both = [("a.py", "TRN001"), ("a.py", "TRN004")]
    assert check(tmp_path, "a.py", "--select", "TRN0") == both
    assert check(tmp_path, "a.py", "--extend-select", "TRN0") == both
    assert check(tmp_path, "a.py", "--ignore", "TRN004") == []
    assert check(tmp_path, "a.py", "--isolated") == [("a.py", "TRN001")]
    assert check(tmp_path, "a.py", "sub", "--config", "mine.toml") == [("a.py", "TRN001")]


def test_exclude_counts_from_the_file_that_says_it(tmp_path: Path) -> None:
    write(tmp_path, {
        "a/trainlint.toml": 'exclude = ["/old/"]\nextend-exclude = ["gen_*.py"]\n',
        "a/old/x.py": SCRIPT,
        "a/gen_x.py": SCRIPT,
        "a/x.py": SCRIPT,
        "old/x.py": SCRIPT,
    })  # fmt: skip
    kept = [("a/x.py", "TRN001"), ("old/x.py", "TRN001")]
    assert check(tmp_path, ".") == kept
    assert check(tmp_path, "a", "--exclude", "a/x.py", "--ignore", "ALL", "--isolated") == []
    named = ["a/old/x.py", "a/x.py", "a/gen_x.py", "old"]
    assert len(check(tmp_path, *named)) == 4
    assert check(tmp_path, *named, "--force-exclude") == kept
    write(tmp_path, {"a/trainlint.toml": 'exclude = ["old"]\nforce-exclude = true\n'})
    assert check(tmp_path, "a/old/x.py", "old/x.py") == [("old/x.py", "TRN001")]


def test_per_file_ignores(tmp_path: Path) -> None:
    write(tmp_path, {
        "trainlint.toml": '[per-file-ignores]\n"/tests/**" = ["TRN0"]\n"b.py" = ["TRN001"]\n',
        "tests/a.py": SCRIPT,
        "b.py": SCRIPT,
        "src/tests/c.py": SCRIPT,
    })  # fmt: skip
    assert check(tmp_path, ".") == [("src/tests/c.py", "TRN001")]
    assert check(tmp_path / "src", "tests/c.py", "../b.py") == [("tests/c.py", "TRN001")]


def test_severity(tmp_path: Path) -> None:
    write(tmp_path, {
        "trainlint.toml": '[severity]\nTRN = "error"\nTRN0 = "info"\nTRN004 = "warning"\n',
        "a.py": SCRIPT,
    })  # fmt: skip
    done = trainlint("check", "a.py", "--select", "TRN0", "--output-format", "json", cwd=tmp_path)
    found = {one["code"]: one["severity"] for one in json.loads(done.stdout)["findings"]}
    assert found == {"TRN001": "info", "TRN004": "warning"}


def test_target_torch_on_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, {
        "trainlint.toml": 'target-torch = "2.2"\n',
        "a.py": "import torch\nscaler = torch.amp.GradScaler('cuda')\n",
    })  # fmt: skip
    assert check(tmp_path, "a.py") == [("a.py", "TRN812")]
    assert check(tmp_path, "a.py", "--target-torch", "2.6.0") == []
    done = trainlint("check", "a.py", "--target-torch", "3.0", cwd=tmp_path)
    assert done.returncode == 2
    assert "--target-torch must be a release of torch" in done.stderr


TRAINING = """\
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(8):
    optimizer.step()
"""


def test_thresholds_of_the_run(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="trainlint run needs the extra `run`")
    write(tmp_path, {"a.py": TRAINING})
    arguments = ("run", "a.py", "--select", "RUN", "--output-format", "json")
    assert findings_of(trainlint(*arguments, cwd=tmp_path)) != []
    write(tmp_path, {"trainlint.toml": "[thresholds]\nstale-steps = 9\ngradless-steps = 9\n"})
    assert findings_of(trainlint(*arguments, cwd=tmp_path)) == []


# Name: the file's content, and what its message must name.
BAD = {
    "a key with an underscore": ("per_file_ignores = {}", ["per-file-ignores"]),
    "a key that is far off": ("colour = 1", ["`colour`", "known are select"]),
    "a flag that is none": ('force-exclude = "yes"', ["`force-exclude`", "true or false"]),
    "a list with a number": ("exclude = [1]", ["`exclude`", "list of strings", "[1]"]),
    "an unknown code": ('extend-select = ["TRN1x"]', ["`extend-select`", "TRN1x"]),
    "a table that is none": ("per-file-ignores = []", ["`per-file-ignores` must be a table"]),
    "codes that are none": ('per-file-ignores = {"a.py" = "TRN1"}', ["`per-file-ignores.a.py`"]),
    "an unknown severity": ('severity = {TRN1 = "eror"}', ["`severity.TRN1`", "`error`"]),
    "a severity of nothing": ('severity = {ABC = "error"}', ["`severity`", "'ABC'"]),
    "an unknown threshold": ("thresholds = {stale-step = 1}", ["`stale-step`", "`stale-steps`"]),
    "a threshold below": ("thresholds = {stale-steps = 0}", ["`thresholds.stale-steps`", "whole"]),
    "a threshold that is true": ("thresholds = {stale-steps = true}", ["stale-steps"]),
    "a share above 1": ("thresholds = {clip-share = 1.5}", ["`thresholds.clip-share`", "0 to 1"]),
    "a threshold without end": ("thresholds = {explosion-ratio = inf}", ["explosion-ratio"]),
    "a release that is none": ("target-torch = 2.4", ["`target-torch`", "2.4"]),
    "a table around it": ("[tool.trainlint]", ["unknown key `tool`", "without a table"]),
    "deep nesting": ("select = " + "[" * 20_000, ["nested too deeply"]),
    "a pattern that is none": ('exclude = ["!"]', ["`exclude`", "'!'"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD.values(), ids=BAD)
def test_mistakes_are_told_with_file_and_key(text: str, told: list[str], tmp_path: Path) -> None:
    write(tmp_path, {"sub/trainlint.toml": text + "\n", "sub/a.py": SCRIPT})
    done = trainlint("check", ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sub/trainlint.toml: error: ")
    assert len(done.stderr.splitlines()) == 1
    for part in told:
        assert part in done.stderr


def test_a_configuration_is_a_regular_file(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": SCRIPT})
    (tmp_path / "trainlint.toml").mkdir()
    (tmp_path / "pyproject.toml").symlink_to("/dev/zero")
    assert check(tmp_path, "a.py") == [("a.py", "TRN001")]


def test_the_schema_in_the_docs_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run `make docs`"
    done = trainlint("config", "--schema")
    assert (done.returncode, done.stdout) == (0, schema_text())


GOOD = """\
select = ["TRN1", "ALL"]
extend-select = ["TRN304"]
ignore = ["TRN101"]
exclude = ["third_party/"]
extend-exclude = ["*.ipynb"]
force-exclude = true
target-torch = "2.4.1"
[per-file-ignores]
"examples/*.py" = ["TRN201"]
[severity]
TRN701 = "error"
[thresholds]
stale-steps = 4
explosion-ratio = 1e4
clip-share = 1
"""


def _accepted_by_schema(text: str) -> bool:
    data: dict[str, Any] = tomllib.loads(text)
    validator = jsonschema.Draft7Validator(json.loads(schema_text()))
    return bool(validator.is_valid(data))


def _accepted(text: str, folder: Path) -> bool:
    write(folder, {"trainlint.toml": text})
    try:
        Configs(None, load_all()).of(str(folder))
    except ConfigError:
        return False
    return True


def test_the_schema_says_what_the_reader_does(tmp_path: Path) -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(schema_text()))
    assert _accepted_by_schema(GOOD)
    assert _accepted(GOOD, tmp_path)
    # What no schema can say: whether a text is a pattern, that infinity is no number.
    beyond = {"deep nesting", "a pattern that is none", "a threshold without end"}
    for name in BAD.keys() - beyond:
        assert not _accepted_by_schema(BAD[name][0]), name
        assert not _accepted(BAD[name][0], tmp_path), name


def test_config_shows_what_counts_for_a_path(tmp_path: Path) -> None:
    write(tmp_path, {"sub/trainlint.toml": GOOD, "sub/a.py": SCRIPT})
    shown = trainlint("config", "sub/a.py", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    first, text = shown.stdout.split("\n", 1)
    assert first == "# sub/trainlint.toml"
    write(tmp_path, {"again.toml": text})
    again = trainlint("config", "sub/a.py", "--config", "again.toml", cwd=tmp_path)
    assert again.stdout.split("\n", 1)[1] == text
    assert "no configuration file" in trainlint("config", cwd=tmp_path).stdout
    assert trainlint("config", "nowhere", cwd=tmp_path).returncode == 2


def test_the_projects_own_configuration_is_read() -> None:
    assert trainlint("config", ".", cwd=ROOT).returncode == 0
