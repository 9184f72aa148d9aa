"""The folder that holds what is kept; it can be deleted at any time."""

from __future__ import annotations

import os

FOLDER = ".trainlint_cache"

_TAG = "CACHEDIR.TAG"
# https://bford.info/cachedir/: backup tools leave a folder with this file out.
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"
_TAG_TEXT = f"{_SIGNATURE}# This folder is trainlint's cache; it may be deleted.\n"
_FILES = {_TAG: _TAG_TEXT, ".gitignore": "*\n"}


def is_refused(folder: str) -> bool:
    """Whether the usual folder is a link: a stranger's project may not say where we write."""
    return folder == FOLDER and os.path.islink(folder)


def make_folder(folder: str) -> None:
    """Make the folder, marked as a cache for backup tools and git; raises OSError."""
    os.makedirs(folder, exist_ok=True)
    for name, text in _FILES.items():
        path = os.path.join(folder, name)
        if not os.path.lexists(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


def is_cache(folder: str) -> bool:
    """Whether a folder is one that `make_folder` made."""
    try:
        with open(os.path.join(folder, _TAG), encoding="utf-8") as file:
            return "trainlint" in file.read(1000)
    except (OSError, UnicodeDecodeError):
        return False
