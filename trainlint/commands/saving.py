"""A run in a folder of its own: its records, and all that its report was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainlint.atomic import write_atomically
from trainlint.commands.settings import SettingsError
from trainlint.commands.told import Told
from trainlint.lint.files import make_source
from trainlint.lint.problem import Problem, Unreadable
from trainlint.lint.source import Source
from trainlint.reporters.json import finding_from_json, plain
from trainlint.runtime_checks.board import folder_name
from trainlint.runtime_checks.detection import Thresholds, judge
from trainlint.runtime_checks.record import Line, Note, dump_line
from trainlint.runtime_checks.run import Run, read_record

INDEX = "run.json"
FORMAT = 1


def save(told: Told, folder: Path, thresholds: Mapping[str, Any]) -> list[Problem]:
    """Write a run to a folder; what could not be written is a problem."""
    try:
        _save(told, folder, thresholds)
    except OSError as error:
        return [Problem(str(folder), f"the run was not saved: {error.strerror or error}")]
    return []


def _save(told: Told, folder: Path, thresholds: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    records = {}
    for index, (name, path) in enumerate(told.records):
        records[name] = f"{index}-{folder_name(name)}.jsonl" if name else "record.jsonl"
        shutil.copyfile(path, folder / records[name])
    _add_missing(told.run, folder / records[""])
    used = {one.location.path for one in told.findings}
    used |= {place.location.path for one in told.findings for place in one.related}
    sources = {}
    for index, name in enumerate(sorted(used & told.sources.keys())):
        sources[name] = f"source{index}{Path(name).suffix}"
        (folder / sources[name]).write_bytes(told.sources[name].data)
    value = {
        "format": FORMAT,
        "command": told.command,
        "interrupted": told.interrupted,
        "files": told.files,
        "records": records,
        "sources": sources,
        "not_run": told.not_run,
        "thresholds": dict(thresholds),
        "findings": [plain(finding) for finding in told.findings],
        "problems": [plain(problem) for problem in told.problems],
    }
    # Last: a folder without it is no saved run.
    write_atomically(str(folder / INDEX), json.dumps(value, indent=1).encode())


def _add_missing(run: Run, record: Path) -> None:
    """What was added to the run since it was recorded: that it was run again, say."""
    known = read_record(record)
    lines: list[Line] = [Note(note) for note in run.notes if note not in known.notes]
    if run.origin is not None and known.origin is None:
        lines.append(run.origin)
    with open(record, "a", encoding="utf-8") as file:
        file.writelines(map(dump_line, lines))


def load(folder: str) -> Told:
    """A run that was saved; raises SettingsError for what is none."""
    index = Path(folder, INDEX)
    try:
        value = json.loads(index.read_text(encoding="utf-8"))
        return _told(value, Path(folder))
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise _refusal(folder, f"is no saved run: it has no {missing}") from None
    except OSError as error:
        raise _refusal(folder, f"cannot be read: {error.strerror or error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refusal(folder, f"is no saved run: {index.name} is damaged ({error})") from None


def _told(value: dict[str, Any], folder: Path) -> Told:
    if value["format"] != FORMAT:
        raise ValueError(f"it has format {value['format']}, and this version reads {FORMAT}")
    records = [(name, _inside(folder, file)) for name, file in value["records"].items()]
    (_, run), *trials = [(name, read_record(path)) for name, path in records]
    findings = [finding_from_json(one) for one in value["findings"]]
    judgement = judge(run, replace(Thresholds(), **value["thresholds"]))
    shown = tuple(finding for finding in findings if finding.code.startswith("RUN"))
    return Told(
        run,
        replace(judgement, findings=shown),
        findings,
        [Problem(**problem) for problem in value["problems"]],
        _sources(value["sources"], folder),
        records,
        value["command"],
        trials,
        [(name, reason) for name, reason in value["not_run"]],
        value["interrupted"],
        value["files"],
    )


def _sources(files: Mapping[str, str], folder: Path) -> dict[str, Source]:
    found = {}
    for path, file in files.items():
        try:
            found[path] = make_source(path, _inside(folder, file).read_bytes())
        except (OSError, Unreadable):
            continue  # its findings are shown without their lines
    return found


def _inside(folder: Path, file: str) -> Path:
    """A file of the folder itself: a saved run may come from anywhere."""
    if Path(file).name != file:
        raise ValueError(f"{file!r} lies outside of it")
    return folder / file


def _refusal(folder: str, message: str) -> SettingsError:
    return SettingsError(
        f"error: {folder}: {message}\n  help: `trainlint run --save FOLDER` makes one"
    )
