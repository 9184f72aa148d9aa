"""Places as other programs count them: paths from the repository's root, lines of the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from trainlint.finding import Location
from trainlint.lint.problem import Problem
from trainlint.lint.source import Source, split_lines

# Where GitHub Actions and GitLab CI say that they checked the repository out.
_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


@dataclass(frozen=True)
class Region:
    """Lines of a file, from 1; columns are 0 where only the lines are known, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def root() -> str:
    """The folder from which paths are told: the repository's in CI, else the working folder."""
    here = os.getcwd()
    named = (os.environ.get(name) for name in _ROOTS)
    return next((base for base in named if base and _inside(here, base)), here)


def from_root(path: str) -> str:
    """A path as seen from `root`, with slashes; one that lies elsewhere is absolute."""
    if path.startswith("<"):  # standard input has no place
        return path
    base, absolute = root(), os.path.abspath(path)
    shown = os.path.relpath(absolute, base) if _inside(absolute, base) else absolute
    return PurePath(shown).as_posix()


def _inside(path: str, folder: str) -> bool:
    try:
        return os.path.commonpath([os.path.abspath(folder), path]) == os.path.abspath(folder)
    except ValueError:  # two drives of Windows
        return False


def region_of(at: Location, sources: Mapping[str, Source]) -> Region:
    """The part of the file that a location covers; of a notebook, the lines of its JSON."""
    end_line = max(at.line, at.end_line)
    if at.cell:
        return _in_notebook(sources.get(at.path), at, end_line)
    if not at.end_column:
        return Region(at.line, 0, end_line, 0)
    return Region(at.line, at.column, end_line, at.end_column)


def region_of_problem(problem: Problem) -> Region | None:
    """The same for a problem; None where it is about a whole file, or in a cell of an unread one.

    A notebook of which a cell is broken became no source, so its lines are not known.
    """
    if problem.line is None or problem.cell:
        return None
    return Region(problem.line, problem.column or 0, problem.line, 0)


def _in_notebook(source: Source | None, at: Location, end_line: int) -> Region:
    cell = source.cell_texts.get(at.cell) if source is not None else None
    if source is None or cell is None:
        return Region(1, 0, 1, 0)
    begin = cell.offset(at.line, at.column - 1)
    end = cell.offset(end_line, at.end_column - 1) if at.end_column else None
    if begin is None or end is None:
        lines = (cell.offset(line, 0) or 0 for line in (at.line, end_line))
        first, last = (_line_and_column(source.text, offset)[0] for offset in lines)
        return Region(first, 0, last, 0)
    return Region(*_line_and_column(source.text, begin), *_line_and_column(source.text, end))


def position(source: Source, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a byte of the file."""
    text = source.data[:offset].decode(source.encoding, "replace").removeprefix("\ufeff")
    return _line_and_column(text, len(text))


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    lines = split_lines(text[:offset])
    return len(lines), len(lines[-1]) + 1


def line_text(at: Location, sources: Mapping[str, Source]) -> str | None:
    """The line on which a location begins, without its indentation; None where it is not known."""
    source = sources.get(at.path)
    lines = source.excerpt(at) if source is not None else []
    return lines[0].strip() if lines else None
