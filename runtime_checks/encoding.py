"""Frozen dataclasses of plain scalars to JSON values and back, by their type hints.

JSON has no non-finite numbers: they are written as "nan", "inf" and "-inf", and read back as
floats where the field is one. Fields that are unknown are left out, so that an older reader
understands a newer writer.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import operator
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

Decoder = Callable[[Any], Any]

_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def dump(value: Any, **more: str) -> str:
    """A dataclass as JSON text, after the fields `more`."""
    fields = {**more, **_fields(value)}
    try:
        return _FAST.encode(fields)
    except ValueError:  # a number is none: rare, and the encoder cannot be told how to spell it
        return _FAST.encode(_spelled(fields))


def _fields(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    names, get = _getter(kind)
    return dict(zip(names, get(value), strict=True))


_FAST = json.JSONEncoder(allow_nan=False, default=_fields)


def _spelled(value: Any) -> Any:
    """The same with the non-finite numbers as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _spell(value)
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    if isinstance(value, dict):
        return {name: _spelled(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value):
        return _spelled(_fields(value))
    return value


def decode(cls: Any, data: dict[str, Any]) -> Any:
    """An instance of `cls`; raises TypeError or ValueError for data that is none."""
    decoders = _decoders(cls)
    known = {name: decoders[name](value) for name, value in data.items() if name in decoders}
    return cls(**known)


def _spell(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


@functools.cache
def _getter(cls: Any) -> tuple[tuple[str, ...], Callable[[Any], Iterable[Any]]]:
    """The names of the fields, and what gets all their values."""
    names = _names(cls)
    if len(names) == 1:  # attrgetter gives the value itself then
        return names, lambda value: (getattr(value, names[0]),)
    return names, operator.attrgetter(*names)


@functools.cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@functools.cache
def _decoders(cls: Any) -> dict[str, Decoder]:
    hints = typing.get_type_hints(cls)
    return {name: _decoder(hints[name]) for name in _names(cls)}


def _decoder(hint: Any) -> Decoder:
    if isinstance(hint, types.UnionType):
        inner = _decoder(next(arg for arg in hint.__args__ if arg is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if typing.get_origin(hint) is list:
        item = _decoder(typing.get_args(hint)[0])
        return lambda value: [item(part) for part in _checked(value, list)]
    if hint is float:
        return _number
    if dataclasses.is_dataclass(hint):
        return lambda value: decode(typing.cast("type[Any]", hint), _checked(value, dict))
    return lambda value: _checked(value, hint)


def _number(value: Any) -> float:
    if isinstance(value, str):
        if value not in _NUMBERS:
            raise ValueError(f"{value!r} is not a number")
        return _NUMBERS[value]
    return float(_checked(value, (int, float)))


def _checked(value: Any, wanted: type[Any] | tuple[type[Any], ...]) -> Any:
    if not isinstance(value, wanted):
        raise TypeError(f"{value!r} is not of type {wanted}")
    return value
