"""Saying which optional package is missing, and how to have it."""

from __future__ import annotations

import click


class MissingError(click.ClickException):
    """Something was asked for that an optional package does."""

    exit_code = 2

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"error: {what} needs {package}, which is not installed\n"
            f"  help: pip install 'torch-trainlint[{extra}]'"
        )

    def show(self, file: object = None) -> None:
        """Print the message, as it is."""
        click.echo(self.message, err=True)
