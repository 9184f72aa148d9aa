"""What is asked of one file, and what comes of it: plain values, for other processes and the disk.

Nothing here needs a tree, so that what is known already costs no import of a parser.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainlint.finding import Finding
from trainlint.lint.problem import Problem


@dataclass(frozen=True)
class Question:
    """One file, as it is told and what it holds; the rules to ask, and the oldest torch."""

    path: str
    data: bytes
    codes: tuple[str, ...]
    target_torch: str


@dataclass(frozen=True)
class Answer:
    """What the rules found, and what could not be told.

    `lasting` where the same files will give the same again, so that the answer can be kept.
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    lasting: bool = True
