"""Standard output that is closed, or that takes nothing: one message, and no traceback."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator

import click

# What a write fails with where the place that it goes to is at fault.
_FULL = {errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT}


class Closed(io.TextIOBase):
    """Stands for a standard output that is closed: whatever is written fails."""

    def write(self, text: str) -> int:
        """Raise OSError."""
        raise OSError(errno.EBADF, "it is closed")


@contextlib.contextmanager
def reporting_streams() -> Iterator[None]:
    """End with one line, and with 2, where standard output cannot be written."""
    if sys.stdout is None:
        _occupy()
        sys.stdout = Closed()
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        _give_up((error.strerror or str(error)).lower())


def is_closed() -> bool:
    """Whether nothing can be printed."""
    return isinstance(sys.stdout, Closed)


def _occupy() -> None:
    """Keep the numbers of the standard streams from the files that are opened next."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _give_up(why: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(f"error: standard output: {why}\n  help: write to a file with -o", err=True)
    # What is buffered would fail once more as the process ends.
    with contextlib.suppress(OSError):
        number = os.open(os.devnull, os.O_WRONLY)
        os.dup2(number, 1)
    raise SystemExit(2)
