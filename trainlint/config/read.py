"""From the text of a configuration file to its `Config`; what is wrong is told with its key."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from trainlint.config.keys import KEYS, Kind, thresholds
from trainlint.config.model import Config, ConfigError, Number
from trainlint.finding import Severity
from trainlint.lint.patterns import Patterns
from trainlint.lint.torch_api import OLDEST_TARGET, RELEASE
from trainlint.registry import Listed
from trainlint.selection import UnknownCodeError, check_selectors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = "pyproject.toml"
OWN = (".trainlint.toml", "trainlint.toml")
_AT = re.compile(r"\(at line (\d+), column (\d+)\)$")


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content; raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: error: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: error: not UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: error: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        place = f":{found[1]}:{found[2]}" if found else ""
        message = re.sub(r"\s*\(at [^()]*\)$", "", str(error))
        raise ConfigError(f"{path}{place}: error: not TOML: {message}") from None


def table_in(path: Path, data: dict[str, Any]) -> object | None:
    """The part of a file that is ours; None for a pyproject.toml that does not speak of us."""
    if path.name in OWN or (path.name != PYPROJECT and "tool" not in data):
        return data
    tool = data.get("tool")
    return tool.get("trainlint") if isinstance(tool, dict) else None


def config_of(path: Path, table: object, entries: Sequence[Listed], folder: str) -> Config:
    """The configuration that a table of a file describes; raises ConfigError."""
    return _Reader(path, entries).config(table, folder)


@dataclass(frozen=True)
class _Reader:
    path: Path
    entries: Sequence[Listed]

    def config(self, table: object, folder: str) -> Config:
        if not isinstance(table, dict):
            self.fail("[tool.trainlint] must be a table")
        if self.path.name in OWN and "tool" in table:
            self.fail("unknown key `tool`; here the keys stand at the top, without a table")
        at = self.path.name if self.path.name in OWN else "[tool.trainlint]"
        self.known(table, [key.name for key in KEYS], "key", at)
        values: dict[str, Any] = {
            key.name: self.read[key.kind](key.name, table[key.name])
            for key in KEYS
            if key.name in table
        }
        exclude = (*values.pop("exclude", ()), *values.pop("extend-exclude", ()))
        named = {name.replace("-", "_"): value for name, value in values.items()}
        return Config(exclude=exclude, folder=folder, path=str(self.path), **named)

    @property
    def read(self) -> dict[Kind, Callable[[str, object], Any]]:
        """What reads a value, by its kind."""
        return {
            Kind.CODES: self.codes,
            Kind.PATTERNS: self.patterns,
            Kind.FLAG: self.flag,
            Kind.RELEASE: self.release,
            Kind.SECONDS: self.seconds,
            Kind.CODES_BY_PATTERN: self.codes_by_pattern,
            Kind.SEVERITIES: self.severities,
            Kind.NUMBERS: self.numbers,
        }

    def codes(self, key: str, value: object) -> tuple[str, ...]:
        codes = self.strings(key, value)
        self.selectors(key, codes)
        return codes

    def selectors(self, key: str, codes: Iterable[str]) -> None:
        try:
            check_selectors(codes, self.entries)
        except UnknownCodeError as error:
            self.fail(f"`{key}`: {error}")

    def patterns(self, key: str, value: object) -> tuple[str, ...]:
        patterns = self.strings(key, value)
        for pattern in patterns:
            self.pattern(key, pattern)
        return patterns

    def pattern(self, key: str, pattern: str) -> None:
        try:
            Patterns([pattern])
        except ValueError:
            self.fail(f"`{key}`: {pattern!r} is no pattern as in .gitignore")

    def flag(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            self.fail(f"`{key}` must be true or false; it is {value!r}")
        return value

    def release(self, key: str, value: object) -> str:
        target = release_of(value)
        if target is None:
            self.fail(f"`{key}` must be {releases()}; it is {value!r}")
        return target

    def seconds(self, key: str, value: object) -> Number:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_time(value):
            self.fail(f"`{key}` must be a number of seconds, or 0; it is {value!r}")
        return value

    def codes_by_pattern(self, key: str, value: object) -> dict[str, tuple[str, ...]]:
        table = self.table(key, value, "lists of codes")
        for pattern in table:
            self.pattern(key, pattern)
        return {pattern: self.codes(f"{key}.{pattern}", codes) for pattern, codes in table.items()}

    def severities(self, key: str, value: object) -> dict[str, Severity]:
        table = self.table(key, value, "severities")
        self.selectors(key, table)
        known = [severity.value for severity in Severity]
        for code, one in table.items():
            if one not in known:
                near = _near(one, known) or f"it is one of {', '.join(known)}"
                self.fail(f"`{key}.{code}`: {one!r} is no severity; {near}")
        return {code: Severity(one) for code, one in table.items()}

    def numbers(self, key: str, value: object) -> dict[str, Number]:
        table = self.table(key, value, "numbers")
        known = thresholds()
        self.known(table, list(known), "threshold", f"`{key}`")
        for name, number in table.items():
            if not known[name].accepts(number):
                self.fail(f"`{key}.{name}` must be {known[name].wants}; it is {number!r}")
        return {name.replace("-", "_"): number for name, number in table.items()}

    def strings(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.fail(f"`{key}` must be a list of strings; it is {value!r}")
        return tuple(value)

    def table(self, key: str, value: object, content: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(f"`{key}` must be a table of {content}; it is {value!r}")
        return value

    def known(self, table: Mapping[str, object], names: Sequence[str], what: str, at: str) -> None:
        """Refuse a name that is not among those that are known."""
        for name in table:
            if name not in names:
                hint = _near(name, names) or f"known are {', '.join(names)}"
                self.fail(f"unknown {what} `{name}` in {at}; {hint}")

    def fail(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.path}: error: {message}")


def is_time(value: Number) -> bool:
    """Whether it is a number of seconds that can be waited for: a year at most, and not NaN."""
    return 0 <= value <= 31_536_000


def release_of(value: object) -> str | None:
    """A release of torch without its last number, if it is one that can be named."""
    found = re.fullmatch(RELEASE, value) if isinstance(value, str) else None
    return None if found is None else found[1]


def releases() -> str:
    """The releases that can be named, in words."""
    return f'a release of torch, "{OLDEST_TARGET}" or newer'


def _near(name: object, known: Sequence[str]) -> str | None:
    wanted = str(name).lower().replace("_", "-")
    near = difflib.get_close_matches(wanted, known, n=1)
    return f"did you mean `{near[0]}`?" if near else None
