"""The configuration: `[tool.trainlint]` in a pyproject.toml."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from trainlint.finding import Finding
from trainlint.lint.torch_api import API
from trainlint.registry import Entry
from trainlint.selection import UnknownCodeError, check_selectors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "pyproject.toml"
_LISTS = ("select", "ignore", "exclude")
_KEYS = (*_LISTS, "per-file-ignores", "target-torch")


class ConfigError(ValueError):
    """A configuration that cannot be used; its text names the file, and the line if known."""


@dataclass(frozen=True)
class Config:
    """What a configuration file says; `folder` is where it stands."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: dict[str, tuple[str, ...]] = field(default_factory=dict)
    target_torch: str | None = None
    folder: str = ""

    def ignores(self, finding: Finding) -> bool:
        """Whether `per-file-ignores` leaves out a finding."""
        path = os.path.relpath(finding.location.path, self.folder or os.curdir)
        return any(
            finding.code.startswith(codes) and GitIgnoreSpec.from_lines([pattern]).match_file(path)
            for pattern, codes in self.per_file_ignores.items()
        )


def load_config(start: str, given: str | None, entries: Sequence[Entry]) -> Config:
    """The file `given`, or the nearest from `start` upward that speaks of trainlint.

    Raises ConfigError.
    """
    if given is not None:
        return _config(Path(given), _read(Path(given)), entries)
    folder = Path(os.path.realpath(start))
    for parent in (folder, *folder.parents):
        path = parent / NAME
        if path.is_file():
            data = _read(path)
            if "trainlint" in data.get("tool", {}):
                return _config(path, data, entries)
        if (parent / ".git").exists():
            break
    return Config()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: error: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: error: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        place = f":{found[1]}:{found[2]}" if found else ""
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise ConfigError(f"{path}{place}: error: not TOML: {message}") from None


def _config(path: Path, data: dict[str, Any], entries: Sequence[Entry]) -> Config:
    table = data.get("tool", {}).get("trainlint", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: error: [tool.trainlint] must be a table")
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(_KEYS)}"
            raise ConfigError(f"{path}: error: unknown key `{key}` in [tool.trainlint]; {hint}")
    lists = {key: _strings(path, key, table.get(key, [])) for key in _LISTS}
    per_file = table.get("per-file-ignores", {})
    if not isinstance(per_file, dict):
        raise ConfigError(f"{path}: error: `per-file-ignores` must be a table of lists")
    ignores = {
        pattern: _strings(path, f"per-file-ignores.{pattern}", codes)
        for pattern, codes in per_file.items()
    }
    codes = [
        *lists["select"],
        *lists["ignore"],
        *(code for some in ignores.values() for code in some),
    ]
    try:
        check_selectors(codes, entries)
    except UnknownCodeError as error:
        raise ConfigError(f"{path}: error: {error}") from None
    folder = os.path.dirname(os.path.realpath(path))
    target = _target(path, table["target-torch"]) if "target-torch" in table else None
    return Config(**lists, per_file_ignores=ignores, target_torch=target, folder=folder)


def _target(path: Path, value: object) -> str:
    """The release of torch that a configuration names, without its last number."""
    targets = API.targets
    found = re.fullmatch(r"(\d+\.\d+)(\.\d+)?", value) if isinstance(value, str) else None
    if found is None or found[1] not in targets:
        raise ConfigError(
            f"{path}: error: `target-torch` must be a release of torch, from"
            f' "{targets[0]}" to "{targets[-1]}"; it is {value!r}'
        )
    return found[1]


def _strings(path: Path, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{path}: error: `{key}` must be a list of strings")
    return tuple(value)
