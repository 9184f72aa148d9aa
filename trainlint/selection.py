"""Which codes are wanted: `--select` and `--ignore`, by code or by the start of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trainlint.lint.limit import TIME_LIMIT
from trainlint.registry import Listed


class UnknownCodeError(ValueError):
    """A selector that no rule or detector answers to."""


def _matches(selector: str, code: str) -> bool:
    return selector == "ALL" or code.startswith(selector)


def check_selectors(selectors: Iterable[str], entries: Sequence[Listed]) -> None:
    """Raise UnknownCodeError, with the nearest known code, for a selector that matches nothing."""
    codes = [entry.code for entry in entries]
    for selector in selectors:
        if not selector or not any(_matches(selector, code) for code in codes):
            near = nearest(selector, codes)
            hint = f"; did you mean {near}?" if near else ""
            raise UnknownCodeError(
                f"unknown code {selector!r}{hint} (`trainlint rules` lists them)"
            )


def nearest(wanted: str, known: Sequence[str]) -> str | None:
    """The known code or name that was most likely meant."""
    same_block = [code for code in known if code.startswith(wanted.upper()[:4]) and wanted[3:]]
    close = difflib.get_close_matches(wanted.upper(), same_block, n=1, cutoff=0.4)
    close = close or difflib.get_close_matches(wanted, known, n=1)
    return close[0] if close else None


@dataclass(frozen=True)
class Selection:
    """The codes that a user asked for.

    Without `select`, the defaults count; `extend` adds to either. Of two selectors that match one
    code, the longer one decides; of the same length, ignoring wins. Where `added` or `dropped`
    match, which the command line says, what a file says does not count.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # codes that the configuration switches on by what it tells
    extend: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __contains__(self, entry: object) -> bool:
        if not isinstance(entry, Listed):
            return False
        added, dropped = (_longest(some, entry.code) for some in (self.added, self.dropped))
        if max(added, dropped) >= 0:
            return added > dropped
        chosen = _longest(self.select, entry.code)
        if not self.select:
            chosen = 0 if entry.default or entry.code in self.also else -1
        return max(chosen, _longest(self.extend, entry.code)) > _longest(self.ignore, entry.code)


def _longest(selectors: Sequence[str], code: str) -> int:
    """Length of the longest selector that matches, -1 for none; ALL counts as the shortest."""
    lengths = [0 if s == "ALL" else len(s) for s in selectors if _matches(s, code)]
    return max(lengths, default=-1)


@dataclass(frozen=True)
class Scope:
    """What is asked of one file."""

    selection: Selection
    target_torch: str
    time_limit: float = TIME_LIMIT


class Scopes(Protocol):
    """What is asked of which file, where that differs: by the configuration nearest to each."""

    def scope(self, path: str) -> Scope:
        """What is asked of a file."""

    def leaves_out(self, path: str, is_folder: bool) -> bool | None:
        """Whether a file or folder is not to be searched; None where nothing is said of it."""

    def forces(self, path: str) -> bool:
        """Whether `leaves_out` counts for a file that is named, too."""
