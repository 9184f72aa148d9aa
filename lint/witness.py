"""What an answer about a file rests on: the files that were read for it, and what was looked up.

All of it is kept per file that asked, not per file that was checked: one that several scripts
import is read once, and what it rests on counts for each of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from trainlint.lint.lower.known import is_library

UNREAD = ""  # only that the file is there was asked
TORN = "torn"  # it changed while files were checked


def digest_of(data: bytes) -> str:
    """A digest of a file's bytes: equal only for equal bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass
class Seen:
    """One file: a digest of what it holds (or `UNREAD`, `TORN`), and what was looked up for it.

    `imports` has the file of each name that it imports, None where there is none; `around` has a
    stamp for each question about the files around it.
    """

    digest: str = UNREAD
    imports: dict[str, str | None] = field(default_factory=dict)
    around: dict[str, str] = field(default_factory=dict)

    def take_in(self, other: Seen) -> None:
        """Add what another reading of the same file saw."""
        self.holds(other.digest)
        self.imports.update(other.imports)
        self.around.update(other.around)

    def holds(self, digest: str) -> None:
        """Note what it holds."""
        if digest != UNREAD:
            self.digest = digest if self.digest in (UNREAD, digest) else TORN


class Witness:
    """Notes what is read and looked up, by the path of the file that it was for."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self._stamps: dict[str, str] = {}

    def read(self, path: str, data: bytes) -> None:
        """A file was read whole."""
        self._of(path).holds(digest_of(data))

    def looked_up(self, importer: str, name: str, found: str | None) -> None:
        """A module was looked for."""
        if name.startswith(".") or not is_library(name):
            self._of(importer).imports[name] = found

    def looked_around(self, path: str, question: str, stamp_of: Callable[[str], str]) -> None:
        """The files around one were asked something; the stamp of a question is made once."""
        if question not in self._stamps:
            self._stamps[question] = stamp_of(question)
        self._of(path).around[question] = self._stamps[question]

    def _of(self, path: str) -> Seen:
        return self.seen.setdefault(path, Seen())
