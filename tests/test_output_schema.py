"""The schema of the JSON output: current, sound, and true of what is printed."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import make
import pytest
from command import ROOT, trainlint
from run_builder import epochs, ordinary

from trainlint.reporters.json import to_json
from trainlint.reporters.json_schema import output_schema
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.export import to_json as run_to_json

SCHEMA = output_schema()
TRIALS = ([("clip-norm=1", ordinary())], [("lr=0.1", "interrupted")])
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def output() -> dict[str, Any]:
    """Of a run with findings, evaluations and curves."""
    run = epochs([2.0, 1.0, 0.5, 0.25], [2.0, float("nan"), 1.0, 1.5])
    judgement = judge(run)
    return to_json(judgement.findings, [], run_to_json(run, judgement, *TRIALS))


def test_it_is_a_schema_and_the_file_is_current() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert make.OUTPUT_SCHEMA.read_text(encoding="utf-8") == make.output_schema_text()


def test_what_check_prints_is_valid() -> None:
    done = trainlint("check", ROOT / "fixtures/broken.py", "missing.py", "--output-format", "json")
    told = json.loads(done.stdout)
    assert len(told["findings"]) > 2
    assert len(told["problems"]) == 1
    VALIDATOR.validate(told)


def test_what_run_prints_is_valid() -> None:
    told = output()
    assert told["run"]["evaluations"]
    assert len(told["run"]["trials"]) == 3
    VALIDATOR.validate(told)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("format",), 2),
        (("run", "steps"), "many"),
        (("run", "detectors", 0, "state"), "unsure"),
        (("run", "evaluations", 0, "loss"), "infinite"),
        (("run", "curves", 0, "points", 0, 0), "first"),
        (("run", "trials", 0, "peak"), []),
    ],
)
def test_what_is_not_as_described_is_refused(place: tuple[Any, ...], value: object) -> None:
    told = copy.deepcopy(output())
    part: Any = told
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    assert list(VALIDATOR.iter_errors(told))


@pytest.mark.parametrize("key", ["findings", "tool", "problems"])
def test_what_is_missing_is_refused(key: str) -> None:
    told = output()
    del told[key]
    assert list(VALIDATOR.iter_errors(told))
