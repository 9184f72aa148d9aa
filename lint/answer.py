"""What is asked of one file, and what comes of it: plain values, for other processes and the disk.

Nothing here needs a tree, so that what is known already costs no import of a parser.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trainlint.finding import Finding
from trainlint.lint.limit import TIME_LIMIT
from trainlint.lint.problem import Problem

# A file without this has no training in it, whatever its framework.
TRAINING = b"torch"


@dataclass(frozen=True)
class Question:
    """One file, as it is told and what it holds; the rules to ask, and the oldest torch.

    `time_limit` is in seconds of processor time; what comes of a question does not rest on it.
    """

    path: str
    data: bytes
    codes: tuple[str, ...]
    target_torch: str
    time_limit: float = field(default=TIME_LIMIT, compare=False)


@dataclass(frozen=True)
class Answer:
    """What the rules found, and what could not be told.

    `lasting` where the same files will give the same again, so that the answer can be kept.
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    lasting: bool = True
