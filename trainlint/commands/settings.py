"""What the command line and the configuration file ask for, together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from trainlint.config import Config, ConfigError, load_config
from trainlint.finding import Finding
from trainlint.lint.torch_api import OLDEST_TARGET
from trainlint.registry import Entry, load_all
from trainlint.selection import Selection, UnknownCodeError, check_selectors


@dataclass(frozen=True)
class Settings:
    """The settings of one call."""

    selection: Selection
    exclude: tuple[str, ...]
    config: Config
    target_torch: str
    entries: tuple[Entry, ...]

    def wanted(self, finding: Finding) -> bool:
        """Whether the codes and the paths asked for take a finding in."""
        entry = next(entry for entry in self.entries if entry.code == finding.code)
        return entry in self.selection and not self.config.ignores(finding)


class SettingsError(click.ClickException):
    """A wrong code or a broken configuration: nothing is checked."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the message, as it is."""
        click.echo(self.message, err=True)


def load_settings(
    start: str,
    config: str | None,
    select: Sequence[str],
    ignore: Sequence[str],
    exclude: Sequence[str] = (),
) -> Settings:
    """Join the two: `--select` replaces the file's, `--ignore` and `--exclude` add to it."""
    entries = load_all()
    try:
        check_selectors([*select, *ignore], entries)
        found = load_config(start, config, entries)
    except UnknownCodeError as error:
        raise SettingsError(f"error: {error}") from None
    except ConfigError as error:
        raise SettingsError(str(error)) from None
    # What is too new for a release can only be told once the configuration names one.
    also = ("TRN812",) if found.target_torch is not None else ()
    return Settings(
        Selection(tuple(select or found.select), (*ignore, *found.ignore), also),
        (*exclude, *found.exclude),
        found,
        found.target_torch or OLDEST_TARGET,
        tuple(entries),
    )
