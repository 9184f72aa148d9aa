"""The documentation says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import make
from command import FIXTURES, ROOT, trainlint

from trainlint.commands.manuals import rules_table
from trainlint.registry import load_all
from trainlint.reporters import FORMATS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_current() -> None:
    assert make.part(README, "rules") == rules_table(load_all()), "run `make docs`"


def test_the_pages_of_the_rules_are_current() -> None:
    made = make.pages()
    assert set(make.RULES.glob("*.md")) == made.keys(), "run `make docs`"
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make docs`"


def test_the_index_leads_to_every_page() -> None:
    index = (make.RULES / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\((\w+\.md)\)", index)
    assert linked == [f"{entry.code}.md" for entry in load_all()]


def test_the_readme_shows_what_check_prints() -> None:
    shown = make.part(README, "check-output")
    assert shown == make.block(shown), "run `make docs`"


def test_the_readme_shows_what_run_prints() -> None:
    """Numbers are measured, and differ from machine to machine; all else is the same."""
    shown = make.part(README, "run-output")
    assert _without_numbers(shown) == _without_numbers(make.block(shown)), "run `make docs`"


def _without_numbers(text: str) -> str:
    text = re.sub(r"`\d+\.(?:weight|bias)`", "`LAYER`", text)
    text = re.sub(r"(?<![\w.`-])(?:\d[\d.]*(?:e[+-]?\d+)?|inf|nan)(?![\w`])", "N", text)
    return re.sub(r" +", " ", text)


def test_the_readme_opens_with_demo_and_test() -> None:
    commands = re.findall(r"^    (make \w+)", README, re.MULTILINE)
    assert commands == ["make demo", "make test"]
    assert README.index("make test") < 120


def _described() -> set[str]:
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    return {name for code in re.findall(r"`([^`]+)`", text) for name in code.split(", ")}


def test_every_key_of_the_json_is_described(tmp_path: Path) -> None:
    described = _described()
    done = trainlint("run", FIXTURES / "exploding.py", "--output-format", "json",
                     "--trial", "clip-norm=1.0")  # fmt: skip
    result = json.loads(done.stdout)
    keys = set(result) | set(result["tool"]) | set(result["run"]) | set(result["run"]["clipping"])
    for name in ("detectors", "evaluations", "trials"):
        keys |= set(result["run"][name][0])
    finding = result["findings"][0]
    keys |= set(finding) | set(finding["location"]) | set(finding["evidence"][0])
    (tmp_path / "x.py").write_text("import torch\nx = F.relu(torch.ones(1))\n")
    done = trainlint("check", "x.py", "gone.py", "--output-format", "json", cwd=tmp_path)
    checked = json.loads(done.stdout)
    fix = checked["findings"][0]["fix"]
    keys |= set(fix) | set(fix["edits"][0]) | set(checked["problems"][0])
    assert keys <= described


def test_every_key_of_the_other_jsons_is_described() -> None:
    described = _described()
    listed = json.loads(trainlint("rules", "--output-format", "json").stdout)
    explained = json.loads(trainlint("explain", "TRN201", "--output-format", "json").stdout)
    assert explained in listed
    assert {entry["code"] for entry in listed} == {entry.code for entry in load_all()}
    keys = set(explained) | set(explained["examples"][0])
    told = trainlint("check", FIXTURES, "--statistics", "--output-format", "json").stdout
    counted = json.loads(told)
    keys |= set(counted) | set(counted["statistics"][0])
    lines = trainlint("check", FIXTURES, "--output-format", "jsonl").stdout.splitlines()
    for line in (json.loads(line) for line in lines):
        keys |= {*line, line["type"]}
    assert keys <= described


def test_every_format_is_described() -> None:
    assert set(FORMATS) <= _described()
