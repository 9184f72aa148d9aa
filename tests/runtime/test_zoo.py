"""The zoo, through the command line: healthy scripts are silent, ill ones are named as marked.

A sixth of them, from one seed: `make zoo` tries all, from three (`TRAINLINT_ZOO_SHARE=1`,
`TRAINLINT_ZOO_SEEDS=0,1,2`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from zoo import SEEDS, TESTS, ZOO, marks, scripts, selection, tried, watch_script

Plain = Callable[[Path, Path], int]


@pytest.fixture(scope="module", params=SEEDS)
def seed(request: pytest.FixtureRequest) -> str:
    """The seed from which the scripts begin."""
    return str(request.param)


@pytest.fixture(scope="module")
def plain(seed: str) -> Iterator[Plain]:
    """Runs a script without trainlint, and writes what it leaves behind to a file."""
    env = {**os.environ, "ZOO_SEED": seed, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(TESTS / "plain_runs.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(script: Path, file: Path) -> int:
            print(json.dumps([str(script), str(file)]), file=stdin, flush=True)
            return int(stdout.readline())

        yield run
        stdin.close()


@pytest.mark.parametrize("name", tried("healthy"))
def test_a_healthy_script_is_silent_and_left_as_it_is(
    name: str, seed: str, plain: Plain, tmp_path: Path
) -> None:
    """No warning, no error, and to the bit the weights and random numbers of a plain run."""
    script = ZOO / "healthy" / f"{name}.py"
    watched = watch_script(script, seed, digest=tmp_path / "watched")
    assert watched.found == [], watched.why()
    assert watched.result["run"]["steps"] >= 20
    assert watched.unmeasured == []
    if not watched.is_whole:
        more = ("--max-steps", "9999", "--whole-passes")
        watch_script(script, seed, *more, digest=tmp_path / "watched")
    assert plain(script, tmp_path / "plain") == 0
    left = (tmp_path / "watched").read_text()
    assert left == (tmp_path / "plain").read_text()
    models, parts = map(int, left.split()[1:])
    assert models
    assert parts > models


@pytest.mark.parametrize("name", tried("ill"))
def test_an_ill_script_is_named_as_its_lines_say(name: str, seed: str) -> None:
    script = ZOO / "ill" / f"{name}.py"
    wanted = marks(script)
    assert wanted, "an ill script marks the lines of its findings"
    watched = watch_script(script, seed, "--max-steps", "200", "--select", selection(wanted))
    assert watched.found_of(wanted) == wanted, watched.why()
    assert watched.unmeasured == []


def test_the_zoo_is_large_enough() -> None:
    assert len(scripts("healthy")) >= 25
    assert len(scripts("ill")) >= 45
    assert min(len(tried("healthy")), len(tried("ill"))) >= 8
