"""The JSON schema of a configuration, for editors: made from the keys, codes and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainlint.config.keys import KEYS, Key, Kind, Threshold, thresholds
from trainlint.finding import Severity
from trainlint.lint.limit import TIME_LIMIT
from trainlint.lint.torch_api import API, RELEASE
from trainlint.registry import Listed

Schema = dict[str, Any]


def schema(entries: Sequence[Listed]) -> Schema:
    """The schema of the table `[tool.trainlint]`, and so of a whole trainlint.toml (draft 7)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "trainlint",
        "description": "[tool.trainlint] of a pyproject.toml, or a whole trainlint.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: _of_key(key) for key in KEYS},
        "definitions": {"code": {"type": "string", "enum": selectors(entries)}},
    }


def selectors(entries: Sequence[Listed]) -> list[str]:
    """Every code, and every start of one."""
    starts = {entry.code[:end] for entry in entries for end in range(1, len(entry.code) + 1)}
    return ["ALL", *sorted(starts)]


def _of_key(key: Key) -> Schema:
    return {"description": key.help, **_KINDS[key.kind]()}


def _codes() -> Schema:
    return {"type": "array", "items": {"$ref": "#/definitions/code"}}


def _patterns() -> Schema:
    return {"type": "array", "items": {"type": "string"}}


def _release() -> Schema:
    return {
        "type": "string",
        "pattern": f"^{RELEASE}$",
        "examples": API.targets,
    }


def _seconds() -> Schema:
    return {"type": "number", "minimum": 0, "default": TIME_LIMIT}


def _codes_by_pattern() -> Schema:
    return {"type": "object", "additionalProperties": _codes()}


def _severities() -> Schema:
    return {
        "type": "object",
        "propertyNames": {"$ref": "#/definitions/code"},
        "additionalProperties": {"enum": [severity.value for severity in Severity]},
    }


def _numbers() -> Schema:
    properties = {one.name: _number(one) for one in thresholds().values()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _number(threshold: Threshold) -> Schema:
    limits: Schema = {"minimum": 1 if threshold.whole else 0}
    if threshold.share:
        limits["maximum"] = 1
    kind = "integer" if threshold.whole else "number"
    return {"type": kind, **limits, "default": threshold.default}


_KINDS: dict[Kind, Callable[[], Schema]] = {
    Kind.CODES: _codes,
    Kind.PATTERNS: _patterns,
    Kind.FLAG: lambda: {"type": "boolean"},
    Kind.RELEASE: _release,
    Kind.SECONDS: _seconds,
    Kind.CODES_BY_PATTERN: _codes_by_pattern,
    Kind.SEVERITIES: _severities,
    Kind.NUMBERS: _numbers,
}
