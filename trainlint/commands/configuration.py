"""`trainlint config`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping

import click

from trainlint.commands.settings import SettingsError, load_settings
from trainlint.config import Config
from trainlint.config.schema import schema
from trainlint.registry import load_all


def config_command(path: str, config: str | None, *, schema: bool) -> int:
    """Print the settings for a file or folder as TOML, or the schema of such settings."""
    if schema:
        click.echo(schema_text(), nl=False)
        return 0
    if not os.path.lexists(path):
        raise SettingsError(f"error: {path}: no such file or folder")
    found = load_settings(path, config, (), ()).config
    click.echo("\n".join(config_lines(found)))
    return 0


def config_lines(config: Config) -> list[str]:
    """A configuration as TOML, after the file that it is from."""
    return [f"# {config.path or 'no configuration file; the defaults count'}", *_toml(config)]


def schema_text() -> str:
    """The schema as it stands in `docs/`."""
    return json.dumps(schema(load_all()), indent=2) + "\n"


def _toml(config: Config) -> Iterator[str]:
    plain = {
        "select": config.select,
        "extend-select": config.extend_select,
        "ignore": config.ignore,
        "exclude": config.exclude,
        "force-exclude": config.force_exclude or None,
        "target-torch": config.target_torch,
        "time-limit": config.time_limit,
    }
    said = {name: value for name, value in plain.items() if value not in (None, ())}
    yield from (f"{name} = {_value(value)}" for name, value in said.items())
    severities = {code: severity.value for code, severity in config.severity.items()}
    limits = {name.replace("_", "-"): number for name, number in config.thresholds.items()}
    yield from _table("per-file-ignores", config.per_file_ignores)
    yield from _table("severity", severities)
    yield from _table("thresholds", limits)


def _table(name: str, values: Mapping[str, object]) -> Iterator[str]:
    if values:
        yield f"\n[{name}]"
        yield from (f"{_value(key)} = {_value(value)}" for key, value in values.items())


def _value(value: object) -> str:
    """A string, number or list as TOML, which writes them as JSON does."""
    return json.dumps(value)
