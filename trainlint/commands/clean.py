"""`trainlint clean`."""

from __future__ import annotations

import os
import shutil

import click

from trainlint.cache.folder import is_cache
from trainlint.commands.settings import SettingsError


def clean_command(folder: str) -> int:
    """Delete the cache, and say so; what is no cache of ours is left alone."""
    if not os.path.lexists(folder):
        click.echo(f"No cache here: there is no {folder}.")
        return 0
    if os.path.islink(folder) or not is_cache(folder):
        raise SettingsError(f"error: {folder} is no cache of trainlint's, and was left alone")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SettingsError(f"error: {folder} cannot be deleted: {why}") from None
    click.echo(f"Deleted {folder}.")
    return 0
