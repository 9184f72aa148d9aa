"""`trainlint server`."""

from __future__ import annotations

import sys

import click

_MISSING = """error: the language server needs pygls, which is not installed
  help: pip install 'torch-trainlint[lsp]'"""
_WAITING = "trainlint speaks the Language Server Protocol here, and waits for an editor to begin."


class MissingError(click.ClickException):
    """An optional package is not there."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the message, as it is."""
        click.echo(self.message, err=True)


def server_command() -> int:
    """Serve until the editor ends it; the exit code."""
    try:
        from trainlint.server.app import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("pygls", "lsprotocol", "cattrs", "attrs"):
            raise
        raise MissingError(_MISSING) from None
    if sys.stdin.isatty():
        click.echo(_WAITING, err=True)
    return serve()
