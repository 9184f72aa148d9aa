"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable


def write_atomically(path: str, data: bytes, last: Callable[[], None] | None = None) -> None:
    """Put `data` in the place of a file, or make it; raises OSError, and then all is as it was.

    A link stays one, and its target is written; the file's mode is kept, and its owner where that
    is allowed. `last` is called just before, and may raise to leave all as it is. What is no
    regular file (`/dev/stderr`, a pipe) is written into.
    """
    try:
        old: os.stat_result | None = os.stat(path)
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(path, "wb") as file:
            file.write(data)
        return
    _replace(os.path.realpath(path), data, old, last)


def _replace(
    target: str, data: bytes, old: os.stat_result | None, last: Callable[[], None] | None
) -> None:
    import tempfile  # most checks write nothing, and it imports much

    folder, name = os.path.split(target)
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:40]}.", suffix=".tmp", dir=folder)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _take_over(temporary, old)
        if last is not None:
            last()
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _settle(folder)


def _take_over(path: str, old: os.stat_result | None) -> None:
    """Give a new file the owner and the mode of the one that it replaces."""
    if old is not None and hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(path, old.st_uid, old.st_gid)
    os.chmod(path, _usual_mode() if old is None else stat.S_IMODE(old.st_mode))


def _settle(folder: str) -> None:
    """Have the folder's new entry on the disk too, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _usual_mode() -> int:
    """The mode of a new file: `mkstemp` makes files that only their owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
