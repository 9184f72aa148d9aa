"""Replacing a user's file by a mended version of it: only if it still is what was mended."""

from __future__ import annotations

import os

from trainlint.atomic import write_atomically
from trainlint.lint.files import read_bytes
from trainlint.lint.problem import Unreadable


def replace_file(path: str, before: bytes, after: bytes) -> None:
    """Put `after` where `before` stands, wholly or not at all.

    Raises Unreadable where the file cannot be written, or holds something else by now.
    """

    def refuse_changed() -> None:
        if read_bytes(path) != before:
            raise Unreadable(
                "not mended: the file was changed while it was checked", "run trainlint again"
            )

    if not os.access(path, os.W_OK):
        raise Unreadable("not mended: the file may not be written")
    try:
        write_atomically(path, after, refuse_changed)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unreadable(f"not mended: it cannot be written: {why}") from None
