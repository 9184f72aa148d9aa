"""The cache: one file of JSON for each version of trainlint and each working folder.

An answer is taken from it where the file's bytes, the rules asked, the target and all that the
answer rests on are as they were. The file is written whole or not at all, and under a digest: what
two checks at once, a full disk or a stranger made of it costs time, never an answer. A cache that
cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping, Set
from functools import cached_property, lru_cache

from trainlint.atomic import write_atomically
from trainlint.cache.basis import Bases
from trainlint.cache.coding import (
    Json,
    answer_of,
    answer_to_json,
    listed_of,
    listed_to_json,
    seen_of,
    seen_to_json,
)
from trainlint.cache.folder import is_refused, make_folder
from trainlint.cache.tool import tool_key
from trainlint.lint.answer import Answer, Question
from trainlint.lint.witness import Seen, digest_of
from trainlint.registry import Listed, load_all

# Answers about one file that are kept, for as many selections of rules; the oldest goes first.
_SELECTIONS = 8
_MONTH = 30 * 24 * 3600  # seconds, after which what another version kept is deleted
_SUFFIX = ".json"


def open_cache(folder: str) -> Cache | None:
    """The cache in a folder, which need not be there yet; None where it may not be used."""
    return None if is_refused(folder) else Cache(folder)


class Cache:
    """What is known of earlier checks, and what this one adds; `save` writes it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file = os.path.join(folder, f"{tool_key()}-{_place(folder)}{_SUFFIX}")
        self._kept = _read(self._file)
        self._bases = Bases(_seen_of(self._kept))
        self._new: dict[Question, Answer] = {}
        self._used: dict[Question, Json] = {}

    # -- rules ---------------------------------------------------------------------------------

    @cached_property
    def rules(self) -> tuple[Listed, ...]:
        """All rules and detectors; nothing is imported where they are known."""
        with contextlib.suppress(*_BROKEN):
            if known := tuple(map(listed_of, self._kept["rules"])):
                return known
        return tuple(load_all())

    # -- answers -------------------------------------------------------------------------------

    def answer(self, question: Question) -> Answer | None:
        """What came of a question, if nothing that it rests on has changed since."""
        new = self._new.get(question)
        if new is not None and self._same(question.path) is not None:
            return new
        with contextlib.suppress(*_BROKEN):
            data, basis, kept = self._kept["answers"][question.path][_asked(question)]
            if data == digest_of(question.data) and basis == self._same(question.path):
                answer = answer_of(kept)
                self._used[question] = kept
                return answer
        return None

    def rests_on(self, path: str) -> Set[str]:
        """A file, and those that were drawn in through its imports."""
        return self._bases.reached(path)

    def _same(self, path: str) -> str | None:
        return self._bases.digest_if_same(path)

    def keep(self, answers: Mapping[Question, Answer], seen: Mapping[str, Seen]) -> None:
        """Keep new answers, and what they rest on."""
        self._bases.take_in(seen)
        self._new.update((one, answer) for one, answer in answers.items() if answer.lasting)

    # -- writing -------------------------------------------------------------------------------

    def save(self) -> None:
        """Write what is new, with what others wrote meanwhile; nothing where that cannot be."""
        if not self._new and "rules" in self._kept:
            return
        with contextlib.suppress(OSError, *_BROKEN):
            make_folder(self._folder)
            text = json.dumps(self._joined(_read(self._file)), separators=(",", ":"))
            write_atomically(self._file, _sealed(text))
            _delete_old(self._folder)

    def _joined(self, meanwhile: dict[str, Json]) -> dict[str, Json]:
        """What is on the disk by now, with ours put over it, and what is gone left out."""
        theirs = meanwhile.get("answers", {})
        answers = {path: dict(kept) for path, kept in theirs.items() if os.path.isfile(path)}
        given = {**self._used, **{one: answer_to_json(new) for one, new in self._new.items()}}
        for question, kept in given.items():
            basis = self._bases.digest(question.path)
            if basis is not None:
                of_file = answers.setdefault(question.path, {})
                of_file.pop(_asked(question), None)  # the newest stands last
                of_file[_asked(question)] = [digest_of(question.data), basis, kept]
        bases = Bases({**_seen_of(meanwhile), **self._bases.seen})
        return {
            "rules": [listed_to_json(one) for one in self.rules],
            "answers": {
                path: dict(list(kept.items())[-_SELECTIONS:])
                for path, kept in sorted(answers.items())
            },
            "seen": {path: seen_to_json(one) for path, one in bases.of_files(answers).items()},
        }


# What a file that is no cache of ours can lead to, though its digest is right.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError)


def _asked(question: Question) -> str:
    return _selection(question.codes, question.target_torch)


@lru_cache(maxsize=64)  # most files are asked the same
def _selection(codes: tuple[str, ...], target_torch: str) -> str:
    return _short(repr((codes, target_torch)))


def _place(folder: str) -> str:
    """The working folder: paths count from it."""
    try:
        return _short(os.path.relpath(os.curdir, folder))
    except ValueError:  # on another drive
        return _short(os.getcwd())


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _sealed(text: str) -> bytes:
    data = text.encode()
    return digest_of(data).encode() + b"\n" + data


def _read(file: str) -> dict[str, Json]:
    """What a file of ours holds; empty where there is none, or not a whole one."""
    try:
        with open(file, "rb") as opened:
            seal, _, data = opened.read().partition(b"\n")
        found = json.loads(data) if seal == digest_of(data).encode() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seen_of(kept: Mapping[str, Json]) -> dict[str, Seen]:
    with contextlib.suppress(*_BROKEN):
        return {path: seen_of(one) for path, one in kept["seen"].items()}
    return {}


def _delete_old(folder: str) -> None:
    """Delete what no check has written for a month."""
    oldest = time.time() - _MONTH
    for entry in os.scandir(folder):
        if entry.name.endswith(_SUFFIX) and entry.stat().st_mtime < oldest:
            os.unlink(entry.path)
