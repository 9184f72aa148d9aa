"""Rules and detectors: what they are called, and where they are found.

A rule or detector is a generator function in a file of its own, in `lint/rules` or
`runtime_checks/detectors`. The decorator `rule` or `detector` of that half registers it here;
its name is the function's name and its docstring is its manual. `load` imports the files.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from trainlint.finding import Confidence, Severity
from trainlint.manual import Manual, parse_manual

RULES = "trainlint.lint.rules"
DETECTORS = "trainlint.runtime_checks.detectors"

_CODE = re.compile(r"(TRN|RUN)\d{3}")

AREAS = {
    "0": "names and imports",
    "1": "gradients",
    "2": "clipping and mixed precision",
    "3": "modes and evaluation",
    "4": "losses and outputs",
    "5": "optimizers and schedulers",
    "6": "data",
    "7": "logging, claims and checkpoints",
    "8": "models, norms and deprecated API",
    "9": "distributed, reproducibility, speed",
}


@dataclass(frozen=True)
class Listed:
    """What a command must know of a rule or detector to choose it, its file not imported."""

    code: str
    name: str
    severity: Severity
    default: bool


@dataclass(frozen=True)
class Entry(Listed):
    """One registered rule or detector."""

    manual: Manual
    function: Callable[..., Iterable[Any]]
    confirms: tuple[str, ...] = ()
    # Bytes one of which a source must hold for the rule to have anything to say; empty: any.
    needs: tuple[bytes, ...] = ()
    confidence: Confidence = Confidence.HIGH

    @property
    def area(self) -> str:
        """The block of codes that this one belongs to."""
        return AREAS[self.code[3]]


_entries: dict[str, Entry] = {}


def register(entry: Entry) -> None:
    """Add one entry; a code belongs to one function only."""
    if not _CODE.fullmatch(entry.code):
        raise ValueError(f"{entry.code} is not TRN or RUN and three digits")
    known = _entries.get(entry.code)
    if known is not None and known.function is not entry.function:
        raise ValueError(f"{entry.code} is taken by {known.name}")
    _entries[entry.code] = entry


def make_entry(
    function: Callable[..., Iterable[Any]],
    code: str,
    severity: Severity,
    *,
    default: bool | None = None,
    confirms: tuple[str, ...] = (),
    needs: tuple[bytes, ...] = (),
    confidence: Confidence = Confidence.HIGH,
) -> Entry:
    """An entry from a function: its name and docstring are the entry's name and manual."""
    name = function.__name__.replace("_", "-")
    manual = parse_manual(function.__doc__, f"{code} ({name})")
    if default is None:
        default = severity is not Severity.INFO and confidence is Confidence.HIGH
    return Entry(code, name, severity, default, manual, function, confirms, needs, confidence)


def load(package: str) -> list[Entry]:
    """Import every file of `RULES` or `DETECTORS`; their entries, by code."""
    _import_files(package)
    prefix = "TRN" if package == RULES else "RUN"
    return [_entries[code] for code in sorted(_entries) if code.startswith(prefix)]


@functools.cache
def _import_files(package: str) -> None:
    """Once in a process: looking for the files takes longer than all else that `load` does."""
    root = importlib.import_module(package)
    for module in pkgutil.iter_modules(root.__path__):
        importlib.import_module(f"{package}.{module.name}")


def load_all() -> list[Entry]:
    """Every rule and every detector, by code. Never imports torch."""
    return load(RULES) + load(DETECTORS)
