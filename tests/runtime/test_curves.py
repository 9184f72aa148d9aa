"""Shapes of a training loss: standing still, diverging, bouncing, and what only seems so."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from run_builder import SCRIPT, STEP, found, new_run, reason, step

from trainlint.runtime_checks.record import Habits, Pass, Site
from trainlint.runtime_checks.run import Run

CODES = ("RUN306", "RUN307", "RUN308")
HABITS = Habits(200, 0, [])


def curve(shape: Callable[[int, random.Random], float], steps: int = 200, **changed: object) -> Run:
    """A run whose losses have that shape."""
    run, chance = new_run(), random.Random(3)
    for index in range(steps):
        step(run, 1.0, shape(index, chance), **changed)
    run.habits = HABITS
    return run


def flat(index: int, chance: random.Random) -> float:
    return chance.gauss(2.3, 0.05)


def rising(index: int, chance: random.Random) -> float:
    return chance.gauss(0.7 + 0.03 * index, 0.05)


def bouncing(index: int, chance: random.Random) -> float:
    loss: float = chance.gauss(2.5, 0.05 if index < 32 else 1.2)
    return loss if loss > 0 else 0.0 - loss


def zigzag(index: int, chance: random.Random) -> float:
    return 1.0 + min(index, 40) * 0.01 * (-1.0 if index % 2 else 1.0)


def codes(run: Run) -> list[str]:
    return [code for code in CODES if found(run, code)]


@pytest.mark.parametrize(
    ("shape", "code"),
    [(flat, "RUN306"), (rising, "RUN307"), (bouncing, "RUN308"), (zigzag, "RUN308")],
)
def test_each_shape_has_a_name(shape: Callable[[int, random.Random], float], code: str) -> None:
    run = curve(shape)
    assert codes(run) in ([code], ["RUN306", code] if shape is zigzag else [code])
    assert found(run, code)[0].location.line == STEP.line


HEALTHY: dict[str, Callable[[int, random.Random], float]] = {
    "falls": lambda i, c: c.gauss(2.3 * math.exp(-i / 60), 0.02) + 0.2,
    "falls slowly, as of a thousand classes": lambda i, c: c.gauss(6.95 - 0.001 * i, 0.03),
    "small batches of a hard task": lambda i, c: c.expovariate(1.0),
    "converged, and noisy": lambda i, c: 0.003 * c.lognormvariate(0, 1) + 2 / (1 + i) ** 2,
    "doubles where it is low": lambda i, c: 2.3 if i < 5 else 0.01 if i < 100 else 0.03,
    "the task grows": lambda i, c: 0.2 + (1.8 - 0.01 * i if i < 100 else 0.01 * (i - 100)),
    "below 0": lambda i, c: c.gauss(-0.5, 0.2),
    "overflows": lambda i, c: math.inf if i > 100 else 1.0 + i,
    "two tasks take turns": lambda i, c: (2.0 if i % 2 else 0.4) * c.uniform(0.95, 1.05)
    * (1 - 0.003 * i),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_curve_is_silent(name: str) -> None:
    assert codes(curve(HEALTHY[name])) == []


@pytest.mark.parametrize(
    ("habits", "words"),
    [
        (replace(HABITS, between=150), "to act or to teach"),
        (replace(HABITS, environments=["gymnasium"]), "reinforcement learning"),
    ],
)
@pytest.mark.parametrize("shape", [flat, rising, bouncing])
def test_where_models_act_or_teach(
    shape: Callable[[int, random.Random], float], habits: Habits, words: str
) -> None:
    run = curve(shape)
    run.habits = habits
    assert codes(run) == []
    assert all(words in reason(run, code) for code in CODES)


def test_loaded_weights_and_warm_ups_may_stand_still() -> None:
    run = curve(flat)
    run.habits = replace(HABITS, loaded=True)
    assert "weights were loaded" in reason(run, "RUN306")
    run.habits = None
    assert "too short to know" in reason(run, "RUN306")
    warm = new_run()
    for index in range(200):
        step(warm, 1.0, flat(index, random.Random(index)), lrs=[1e-5 * index])
    warm.habits = HABITS
    assert "still being raised" in reason(warm, "RUN306")
    small = curve(flat, update_ratio=1e-9)
    assert "too small to move" in reason(small, "RUN306")


def test_a_short_run_says_what_it_needs() -> None:
    run = curve(flat, steps=60)
    assert [reason(run, code) for code in CODES] == ["needs 120 steps with a loss, saw 60"] * 3


def test_several_optimizers_and_several_loops() -> None:
    both = new_run("SGD", "Adam")
    for index in range(200):
        step(both, 1.0, 2.0, optimizer=1 + index % 2)
    both.habits = HABITS
    assert "several optimizers" in reason(both, "RUN306")
    run = curve(flat)
    run.steps[150:] = [replace(one, site=Site(SCRIPT, 28)) for one in run.steps[150:]]
    assert "more than one line" in reason(run, "RUN306")


def test_a_noisy_curve_cannot_tell() -> None:
    run = curve(lambda i, c: c.expovariate(1.0))
    assert "too noisy" in reason(run, "RUN306")


def test_two_batches_to_a_pass_take_turns() -> None:
    run = curve(zigzag)
    run.passes = [Pass(0, STEP, 1, 2, 8, True)]
    assert found(run, "RUN308") == []
