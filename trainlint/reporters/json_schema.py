"""The JSON schema of what `--output-format json` prints, made from the classes behind it."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from enum import Enum
from typing import Any

from trainlint.finding import Finding
from trainlint.lint.problem import Problem
from trainlint.reporters.json import FORMAT
from trainlint.runtime_checks.clipping import ClipSummary
from trainlint.runtime_checks.detection import State
from trainlint.runtime_checks.record import Evaluation
from trainlint.runtime_checks.table import TrialRow

Schema = dict[str, Any]

_SCALARS = {str: "string", int: "integer", bool: "boolean", types.NoneType: "null"}
# JSON has no other numbers; they are spelled.
_FLOAT: Schema = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}
_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}


def output_schema() -> Schema:
    """The schema, of draft 2020-12; keys that it does not name may come in later versions."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What trainlint prints as JSON",
        **_object(
            {
                "format": {"const": FORMAT},
                "tool": _object({"name": {"const": "trainlint"}, "version": _TEXT}),
                "findings": _list(_of(Finding)),
                "problems": _list(_of(Problem)),
                "run": _run(),
            },
            optional=("run",),
        ),
    }


def _run() -> Schema:
    """The member `run`, there after `trainlint run` alone."""
    detector = {"code": _TEXT, "name": _TEXT, "reason": _TEXT, "state": _of(State)}
    curve = {"tag": _TEXT, "points": _list({"type": "array", "prefixItems": [_WHOLE, _FLOAT]})}
    clipping = {"share": _FLOAT, "summary": _TEXT}
    return _object({
        "outcome": _TEXT,
        "summary": _TEXT,
        "reached_training": {"type": "boolean"},
        "steps": _WHOLE,
        "seconds": {"type": ["number", "null"]},
        "device": {"type": ["string", "null"]},
        "notes": _list(_TEXT),
        "detectors": _list(_object(detector)),
        "clipping": _object({**_properties(ClipSummary), **clipping}),
        "evaluations": _list(_of(Evaluation)),
        "curves": _list(_object(curve)),
        "trials": _list(_of(TrialRow)),
    })  # fmt: skip


def _object(properties: Schema, optional: Sequence[str] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _of(hint: Any) -> Schema:
    """The schema of a type, by its hint."""
    if hint is float:
        return _FLOAT
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [one.value for one in hint]}
    if dataclasses.is_dataclass(hint):
        return _object(_properties(hint))
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return {"anyOf": [_of(one) for one in typing.get_args(hint)]}
    return _list(_of(typing.get_args(hint)[0]))


def _properties(kind: Any) -> Schema:
    hints = typing.get_type_hints(kind)
    return {field.name: _of(hints[field.name]) for field in dataclasses.fields(kind)}
