"""What a configuration file says."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from trainlint.finding import Severity
from trainlint.lint.patterns import Patterns

Number = int | float


class ConfigError(ValueError):
    """A configuration that cannot be used; its text names the file, and the key or line."""


@dataclass(frozen=True)
class Config:
    """The settings of one file; patterns count from `folder`. `path` is empty where no file is."""

    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target_torch: str | None = None
    time_limit: Number | None = None
    severity: Mapping[str, Severity] = field(default_factory=dict)
    thresholds: Mapping[str, Number] = field(default_factory=dict)
    folder: str = ""
    path: str = ""

    def ignores_code(self, path: str, code: str) -> bool:
        """Whether `per-file-ignores` leaves a code out of a file."""
        return any(
            _names(codes, code) and _patterns((pattern,)).says(self._inside(path), False)
            for pattern, codes in self.per_file_ignores.items()
        )

    def leaves_out(self, path: str, is_folder: bool) -> bool | None:
        """Whether `exclude` leaves out a file or folder; None where no pattern speaks of it."""
        if not self.exclude:
            return None
        return _patterns(self.exclude).says(self._inside(path), is_folder)

    def severity_of(self, code: str) -> Severity | None:
        """The severity that a code is given, by the longest key that it begins with."""
        keys = [key for key in self.severity if _names((key,), code)]
        return self.severity[max(keys, key=_weight)] if keys else None

    def _inside(self, path: str) -> str:
        folder, name = os.path.split(os.path.abspath(path))
        real = os.path.join(_real(folder), name)
        return os.path.relpath(real, _real(self.folder or os.curdir)).replace(os.sep, "/")


def _names(selectors: tuple[str, ...], code: str) -> bool:
    return any(one == "ALL" or code.startswith(one) for one in selectors)


def _weight(selector: str) -> int:
    return 0 if selector == "ALL" else len(selector)


@functools.lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


@functools.lru_cache(maxsize=256)
def _patterns(lines: tuple[str, ...]) -> Patterns:
    return Patterns(lines)
