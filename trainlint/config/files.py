"""Which configuration counts for which file: the nearest, from the file's folder upward.

In one folder, .trainlint.toml comes before trainlint.toml, and that before a pyproject.toml with a
`[tool.trainlint]`. The search ends at the top of the repository. A configuration names no other
file, so that an untrusted one leads nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trainlint.config.model import Config
from trainlint.config.read import OWN, PYPROJECT, config_of, read_toml, table_in
from trainlint.registry import Listed

NAMES = (*OWN, PYPROJECT)


class Configs:
    """The configurations of a check, each read once.

    `given` is a file that counts for all, its patterns from the working folder; an empty one
    stands for no configuration at all.
    """

    def __init__(self, given: str | None, entries: Sequence[Listed]) -> None:
        self._entries = entries
        self._given = _given(given, entries) if given is not None else None
        self._found: dict[str, Config] = {}

    def of(self, path: str) -> Config:
        """The configuration of a file or folder; raises ConfigError."""
        if self._given is not None:
            return self._given
        path = os.path.abspath(path)
        return self._of_folder(path if os.path.isdir(path) else os.path.dirname(path))

    def around(self, path: str) -> Config:
        """The configuration of the folder that a file or folder stands in."""
        return self.of(os.path.dirname(os.path.abspath(path)))

    def _of_folder(self, folder: str) -> Config:
        if folder not in self._found:
            self._found[folder] = self._look(folder)
        return self._found[folder]

    def _look(self, folder: str) -> Config:
        for name in NAMES:
            path = _shown(Path(folder, name))
            if not path.is_file():
                continue
            table = table_in(path, read_toml(path))
            if table is not None:
                return config_of(path, table, self._entries, folder)
        parent = os.path.dirname(folder)
        if parent == folder or os.path.exists(os.path.join(folder, ".git")):
            return Config()
        return self._of_folder(parent)


def _given(path: str, entries: Sequence[Listed]) -> Config:
    if not path:
        return Config()
    table = table_in(Path(path), read_toml(Path(path)))
    return config_of(Path(path), {} if table is None else table, entries, os.getcwd())


def _shown(path: Path) -> Path:
    """A path as a reader of a message has it at hand: from the working folder, if it is below."""
    try:
        return path.relative_to(os.getcwd())
    except ValueError:
        return path
