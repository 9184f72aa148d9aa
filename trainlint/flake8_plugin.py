"""The rules of `trainlint check` as a plugin of flake8, under the codes TRN….

flake8 finds it by its entry point. trainlint's own configuration counts, and its comments; flake8
selects, ignores and excuses on top of that. A rule that is off by default is switched on by naming
its whole code in flake8's `select` or `extend-select`.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from trainlint._version import __version__

if TYPE_CHECKING:
    from trainlint.commands.settings import Settings
    from trainlint.finding import Finding
    from trainlint.lint.project import Project

# Line from 1, column from 0, text that begins with the code, and what flake8 has no use for.
Told = tuple[int, int, str, type]

_LISTS = ("select", "extend_select", "enable_extensions")
_NOT_CHECKED = "TRN999"


class Checker:
    """What flake8 makes for each file, and asks once."""

    name = "trainlint"
    version = __version__
    named: ClassVar[tuple[str, ...]] = ()  # whole codes that flake8's options name

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        self._filename = filename
        self._text = "".join(lines)

    @classmethod
    def parse_options(cls, options: Any) -> None:
        """Take the codes that flake8 was told to report; it calls this before any file."""
        listed = [code for name in _LISTS for code in getattr(options, name, None) or ()]
        whole = (code for code in listed if code.startswith("TRN") and len(code) == 6)
        cls.named = tuple(code for code in whole if code != _NOT_CHECKED)

    def run(self) -> Iterator[Told]:
        """The findings in this file, as flake8 wants them."""
        if "torch" not in self._text:  # nothing is imported for the many files without training
            return
        from trainlint.commands.settings import SettingsError
        from trainlint.lint.problem import Unreadable

        try:
            for finding in self._findings():
                at = finding.location
                text = f"{finding.code} [{finding.name}] {finding.message}"
                yield at.line, at.column - 1, text, type(self)
        except SettingsError as error:
            yield 1, 0, f"{_NOT_CHECKED} {' '.join(error.message.split())}", type(self)
        except Unreadable as error:
            text = f"{_NOT_CHECKED} could not be checked: {error.message}"
            yield error.line or 1, (error.column or 1) - 1, text, type(self)

    def _findings(self) -> list[Finding]:
        from trainlint.lint.asking import check_source
        from trainlint.lint.deep import with_deep_stack
        from trainlint.lint.source import Source
        from trainlint.suppress import suppress

        settings = _settings(self.named)
        scope = settings.scope(self._filename)
        data = self._text.encode("utf-8", "surrogateescape")
        source = Source(self._filename, "python", data, self._text, self._text)

        def check() -> list[Finding]:
            return check_source(source, scope.selection, scope.target_torch, _project())

        found = settings.apply(with_deep_stack(check))
        # One that lies in a file which this one imports cannot be told of here.
        here = [finding for finding in found if finding.location.path == source.path]
        return suppress(here, {source.path: source})


@lru_cache(maxsize=1)
def _settings(named: tuple[str, ...]) -> Settings:
    """One for all files of a process: it remembers each folder's configuration."""
    from trainlint.commands.settings import load_settings

    return load_settings(os.curdir, None, (), (), extend_select=named)


@lru_cache(maxsize=1)
def _project() -> Project:
    """One for all files of a process, so that what many import is read once."""
    from trainlint.lint.project import Project

    return Project()
