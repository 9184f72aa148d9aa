"""What answers rest on, as it was when they were given, and whether it still is so."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping

from trainlint.cache.coding import seen_to_json
from trainlint.lint.files import read_bytes
from trainlint.lint.imports import find_module
from trainlint.lint.neighbours import stamp_of
from trainlint.lint.problem import Unreadable
from trainlint.lint.witness import TORN, UNREAD, Seen, digest_of


class Bases:
    """The files that were read, and what was looked up for each; `seen` is by path."""

    def __init__(self, seen: dict[str, Seen]) -> None:
        self.seen = seen
        self._same: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        # Each is looked at once in a check, however many answers rest on it.
        self._find = functools.cache(find_module)
        self._stamp_of = functools.cache(stamp_of)

    def reached(self, path: str) -> set[str]:
        """A file, and all that was drawn in through its imports."""
        found: set[str] = set()
        waiting = [path]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                imports = self.seen[one].imports.values() if one in self.seen else ()
                waiting += [other for other in imports if other is not None]
        return found

    def digest(self, path: str) -> str | None:
        """A digest of all that an answer about a file rests on; None where it cannot be kept."""
        return self._joined(self.reached(path))

    def digest_if_same(self, path: str) -> str | None:
        """The same; None where anything of it is not any more as it was."""
        reached = self.reached(path)
        return self._joined(reached) if all(map(self._is_same, reached)) else None

    def _joined(self, reached: set[str]) -> str | None:
        known = [(path, self.seen[path]) for path in sorted(reached) if path in self.seen]
        if any(seen.digest == TORN for _, seen in known):
            return None
        texts = (f"{path}\n{self._text(path, seen)}" for path, seen in known)
        return digest_of("\n".join(texts).encode(errors="surrogatepass"))

    def _text(self, path: str, seen: Seen) -> str:
        if path not in self._texts:
            self._texts[path] = json.dumps(seen_to_json(seen))
        return self._texts[path]

    def _is_same(self, path: str) -> bool:
        if path not in self._same:
            seen = self.seen.get(path)
            self._same[path] = seen is None or self._holds(path, seen)
        return self._same[path]

    def _holds(self, path: str, seen: Seen) -> bool:
        folder = os.path.dirname(path)
        return (
            seen.digest in (UNREAD, _digest_now(path))
            and all(self._find(name, folder) == file for name, file in seen.imports.items())
            and all(self._stamp_of(question) == one for question, one in seen.around.items())
        )

    def take_in(self, seen: Mapping[str, Seen]) -> None:
        """Add what was seen just now: to what is still so, or in the place of what is not."""
        for path, new in seen.items():
            old = self.seen.get(path)
            if old is None or not self._is_same(path):
                self.seen[path] = new
            else:
                old.take_in(new)
            self._texts.pop(path, None)
            self._same[path] = True

    def of_files(self, paths: Iterable[str]) -> dict[str, Seen]:
        """What the answers about some files rest on, and no more."""
        wanted = set().union(*map(self.reached, paths))
        return {path: self.seen[path] for path in sorted(wanted) if path in self.seen}


def _digest_now(path: str) -> str:
    try:
        return digest_of(read_bytes(path))
    except Unreadable:
        return digest_of(b"")  # what `Project` takes it for
