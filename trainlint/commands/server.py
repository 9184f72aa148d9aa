"""`trainlint server`."""

from __future__ import annotations

import sys

import click

from trainlint.commands.missing import MissingError

_NEEDED = ("pygls", "lsprotocol", "cattrs", "attrs")
_WAITING = "trainlint speaks the Language Server Protocol here, and waits for an editor to begin."


def server_command() -> int:
    """Serve until the editor ends it; the exit code."""
    try:
        from trainlint.server.app import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _NEEDED:
            raise
        raise MissingError("the language server", "pygls", "lsp") from None
    if sys.stdin.isatty():
        click.echo(_WAITING, err=True)
    return serve()
