"""Files changed at random: nothing fails, and no byte is lost.

`make test` tries a few hundred of them, always the same; `make fuzz` thousands, each time others:
as many times more as `TRAINLINT_FUZZ` says.
"""

from __future__ import annotations

import os

import fuzzing
from hypothesis import HealthCheck, given, settings
from mutating import Subject, files, generated

TIMES = int(os.environ.get("TRAINLINT_FUZZ", "0"))


def tried(examples: int) -> settings:
    """So many files, or many times more."""
    return settings(
        max_examples=examples * (TIMES or 1),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@tried(150)
@given(files(whole=False))
def test_nothing_fails(subject: Subject) -> None:
    assert fuzzing.check(subject) == []


@tried(150)
@given(files(whole=True))
def test_nothing_fails_where_it_can_be_parsed(subject: Subject) -> None:
    assert fuzzing.check(subject) == []


@tried(50)
@given(generated())
def test_nothing_fails_in_what_nobody_wrote(subject: Subject) -> None:
    assert fuzzing.check(subject) == []


@tried(60)
@given(files(whole=True))
def test_fixes_lose_nothing(subject: Subject) -> None:
    assert fuzzing.fix(subject) == ({}, [])


@tried(40)
@given(files(whole=True))
def test_suppressions_lose_nothing(subject: Subject) -> None:
    assert fuzzing.ignore(subject) == ({}, [])
