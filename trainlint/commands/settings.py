"""What the command line and the configuration files ask for, together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import click

from trainlint.config import Config, ConfigError, Configs
from trainlint.config.read import release_of, releases
from trainlint.finding import Finding
from trainlint.lint.engine import Checked
from trainlint.lint.limit import TIME_LIMIT
from trainlint.lint.patterns import Patterns
from trainlint.lint.torch_api import OLDEST_TARGET
from trainlint.registry import Listed, load_all
from trainlint.selection import Scope, Selection, UnknownCodeError, check_selectors
from trainlint.unused import with_unused


class SettingsError(click.ClickException):
    """A wrong code or a broken configuration: nothing is checked."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the message, as it is."""
        click.echo(self.message, err=True)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; it counts for every file."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    target_torch: str | None = None
    time_limit: float | None = None

    def selection(self, found: Config) -> Selection:
        """`--select` sets aside what the file selects and ignores; the others come before it."""
        target = self.target_torch or found.target_torch
        # What is too new for a release can only be told once one is named.
        also = ("TRN812",) if target is not None else ()
        if self.select:
            return Selection(self.select, self.ignore, also, self.extend_select)
        own = (self.extend_select, self.ignore)
        return Selection(found.select, found.ignore, also, found.extend_select, *own)


@dataclass(frozen=True)
class Settings:
    """The settings of one call; `config` and `selection` are those of the path named first."""

    start: str
    asked: Asked
    configs: Configs
    entries: tuple[Listed, ...]

    @property
    def rules(self) -> tuple[Listed, ...]:
        """All rules of `check`."""
        return tuple(entry for entry in self.entries if entry.code.startswith("TRN"))

    @cached_property
    def config(self) -> Config:
        """The configuration that counts where the check starts."""
        return self.config_of(self.start)

    @property
    def selection(self) -> Selection:
        """The codes that are asked for where the check starts."""
        return self.scope(self.start).selection

    @property
    def target_torch(self) -> str:
        """The oldest torch there."""
        return self.scope(self.start).target_torch

    @property
    def thresholds(self) -> dict[str, Any]:
        """The numbers that the configuration there sets for the detectors."""
        return dict(self.config.thresholds)

    @property
    def exclude(self) -> tuple[str, ...]:
        """The patterns of the command line, from the working folder."""
        return self.asked.exclude

    def config_of(self, path: str) -> Config:
        """The configuration nearest to a file or folder; raises SettingsError."""
        try:
            return self.configs.of(path)
        except ConfigError as error:
            raise SettingsError(str(error)) from None

    def scope(self, path: str) -> Scope:
        """What is asked of a file."""
        found = self.config_of(path)
        target = self.asked.target_torch or found.target_torch or OLDEST_TARGET
        limits = (self.asked.time_limit, found.time_limit, TIME_LIMIT)
        limit = next(one for one in limits if one is not None)
        return Scope(self.asked.selection(found), target, limit)

    def leaves_out(self, path: str, is_folder: bool) -> bool | None:
        """Whether the configuration around a file or folder leaves it out of the search."""
        return self._around(path).leaves_out(path, is_folder)

    def forces(self, path: str) -> bool:
        """Whether what is left out of the search stays out where it is named."""
        return self.asked.force_exclude or self._around(path).force_exclude

    def _around(self, path: str) -> Config:
        try:
            return self.configs.around(path)
        except ConfigError as error:
            raise SettingsError(str(error)) from None

    def wanted(self, finding: Finding) -> bool:
        """Whether the codes and the paths asked for take a finding in."""
        return self.asks(finding.location.path, finding.code)

    def asks(self, path: str, code: str) -> bool:
        """Whether a code is asked for in a file."""
        entry = self._by_code.get(code)
        return entry in self.scope(path).selection and not self.config_of(path).ignores_code(
            path, code
        )

    def apply(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings that are wanted, each with the severity that its file's settings give it."""
        return [self._weighed(finding) for finding in findings if self.wanted(finding)]

    def judged(self, checked: Checked) -> list[Finding]:
        """What a check found and no comment excuses, unused suppressions with it."""
        told = with_unused(
            checked.findings, checked.sources, checked.annotated, self.entries, self.asks
        )
        for source in checked.annotated:
            checked.sources.setdefault(source.path, source)
        return self.apply(told)

    def _weighed(self, finding: Finding) -> Finding:
        severity = self.config_of(finding.location.path).severity_of(finding.code)
        return finding if severity is None else replace(finding, severity=severity)

    @cached_property
    def _by_code(self) -> dict[str, Listed]:
        return {entry.code: entry for entry in self.entries}


def load_settings(
    start: str,
    config: str | None,
    select: Sequence[str],
    ignore: Sequence[str],
    exclude: Sequence[str] = (),
    *,
    extend_select: Sequence[str] = (),
    force_exclude: bool = False,
    target_torch: str | None = None,
    time_limit: float | None = None,
    isolated: bool = False,
    entries: Sequence[Listed] = (),
) -> Settings:
    """Join the two; `entries` are all rules and detectors, if known. Raises SettingsError."""
    entries = entries or load_all()
    if isolated and config is not None:
        raise SettingsError("error: --isolated leaves every configuration out, --config names one")
    try:
        check_selectors([*select, *ignore, *extend_select], entries)
        configs = Configs("" if isolated else config, entries)
    except UnknownCodeError as error:
        raise SettingsError(f"error: {error}") from None
    except ConfigError as error:
        raise SettingsError(str(error)) from None
    for pattern in exclude:
        _refuse_no_pattern(pattern)
    asked = Asked(
        tuple(select), tuple(ignore), tuple(extend_select), tuple(exclude), force_exclude,
        _target(target_torch), time_limit,
    )  # fmt: skip
    settings = Settings(start, asked, configs, tuple(entries))
    settings.config_of(start)  # what is wrong there is told before anything is read
    return settings


def _refuse_no_pattern(pattern: str) -> None:
    try:
        Patterns([pattern])
    except ValueError:
        message = f"error: --exclude: {pattern!r} is no pattern as in .gitignore"
        raise SettingsError(message) from None


def _target(given: str | None) -> str | None:
    if given is not None and release_of(given) is None:
        raise SettingsError(f"error: --target-torch must be {releases()}; it is {given!r}")
    return release_of(given)
