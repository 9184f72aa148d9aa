"""Detectors of what steps do to weights; and the probes that they rest on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from run_builder import MADE, SCRIPT, STEP, found, new_run, reason, state, step, train
from watched import watch

from trainlint.finding import Severity
from trainlint.runtime_checks.record import (
    FrozenMoved,
    Idle,
    Movement,
    NotFrozen,
    Site,
    Stuck,
    Uniform,
)
from trainlint.runtime_checks.run import Run

LAYER = Site(SCRIPT, 5)  # of `a.weight`


def moving(
    ratios: Sequence[float],
    *optimizers: str,
    cosine: float | None = -0.8,
    losses: Sequence[float] | None = None,
    rates: Sequence[float] | None = None,
) -> Run:
    """A run of a step, and its movement, for each ratio; the loss stays where it is."""
    run = new_run(*optimizers)
    given = (ratios, losses or itertools.repeat(1.0), rates or itertools.repeat(0.1))
    everywhere = zip(*given, strict=False)
    for number, (ratio, loss, rate) in enumerate(everywhere):
        step(run, loss=loss, lrs=[rate])
        run.movements.append(Movement(number, 1, rate, ratio, "a.weight", ratio, cosine))
    return run


# RUN106


def test_zero_gradients_under_a_loss_are_found() -> None:
    (finding,) = found(train(new_run(), [1.0] * 12 + [0.0] * 30), "RUN106")
    assert finding.location.line == STEP.line
    assert finding.severity is Severity.ERROR


def test_zero_gradients_where_few_norms_are_measured() -> None:
    norms = [1.0] * 3 + [0.0] * 17 + [0.0 if step % 11 == 0 else None for step in range(20, 80)]
    assert len(found(train(new_run(), norms), "RUN106")) == 1


@pytest.mark.parametrize(
    ("norms", "losses"),
    [
        ([1.0] * 20 + [0.0] * 30, [1.0] * 20 + [0.0] * 30),  # a hinge loss that is satisfied
        ([0.0] * 8 + [1.0] * 30, None),  # a head that begins at 0
        ([0.0, 1.0] * 20, None),  # sparse rewards
    ],
)
def test_zero_gradients_that_are_no_mistake(norms: list[float], losses: list[float] | None) -> None:
    assert not found(train(new_run(), norms, losses), "RUN106")


def test_one_of_two_optimizers_may_rest() -> None:
    run = new_run("SGD", "Adam")
    for index in range(60):
        step(run, norm=1.0 if index < 20 else 0.0)
        step(run, optimizer=2)
    assert state(run, "RUN106") == "passed"


# RUN108


def stuck(dtype: str, share: float, samples: int = 20, name: str = "AdamW") -> Run:
    run = moving([1e-3] * 30, name)
    run.stuck.append(Stuck(30, 1, dtype, ["a.weight"], samples, share))
    return run


def test_updates_that_bfloat16_rounds_away_are_found_at_the_layer() -> None:
    (finding,) = found(stuck("bfloat16", 0.9), "RUN108")
    assert finding.location.line == LAYER.line
    assert "90% of the updates are rounded away" in finding.message


def test_a_tensor_that_never_moves_is_found() -> None:
    assert "never move" in found(stuck("float32", 1.0), "RUN108")[0].message


@pytest.mark.parametrize(
    ("run", "ended"),
    [
        (stuck("bfloat16", 0.6), "passed"),
        (stuck("float32", 0.9), "passed"),  # a table of which a batch meets few rows
        (stuck("bfloat16", 0.9, samples=4), "passed"),
        (stuck("bfloat16", 0.9, name="KahanAdam"), "not triggered"),
    ],
)
def test_what_may_move_later_is_left_alone(run: Run, ended: str) -> None:
    assert state(run, "RUN108") == ended


def test_a_warm_up_is_waited_for() -> None:
    run = moving([1e-3] * 30, rates=[1e-6 * index for index in range(30)])
    run.stuck.append(Stuck(30, 1, "bfloat16", ["a.weight"], 20, 0.9))
    assert "still rising" in reason(run, "RUN108")


# RUN109


@pytest.mark.parametrize(("how", "words"), [("gradient", "left over"), ("state", "momentum")])
def test_a_frozen_tensor_that_moves_is_found_at_the_step(how: str, words: str) -> None:
    run = moving([1e-3] * 30)
    run.frozen_moved += [FrozenMoved(9, 1, ["a.weight"], how, steps) for steps in (1, 2)]
    (finding,) = found(run, "RUN109")
    assert words in finding.message
    assert finding.location.line == STEP.line


def test_once_is_not_enough() -> None:
    run = moving([1e-3] * 30)
    run.frozen_moved.append(FrozenMoved(9, 1, ["a.weight"], "state", 1))
    assert state(run, "RUN109") == "passed"


def test_an_attribute_that_freezes_nothing_is_found_at_the_layer() -> None:
    run = moving([1e-3] * 30)
    line = NotFrozen(3, 1, "requires_grad", "a", LAYER, ["a.weight", "a.bias"])
    run.not_frozen += [line, line]
    (finding,) = found(run, "RUN109")
    assert finding.location.line == LAYER.line
    assert "`a.requires_grad = False` freezes nothing" in finding.message


# RUN110


def test_a_rate_below_zero_is_found() -> None:
    run = moving([1e-3] * 30, rates=[0.1 - 0.01 * index for index in range(30)])
    (finding,) = found(run, "RUN110")
    assert "below 0 (19 steps, from step 11 on)" in finding.message


def test_steps_along_the_gradient_are_found() -> None:
    assert "along the gradient" in found(moving([1e-3] * 30, cosine=0.7), "RUN110")[0].message


@pytest.mark.parametrize(
    ("run", "ended"),
    [
        (moving([1e-3] * 30, cosine=-0.1), "passed"),
        (moving([1e-3] * 30, cosine=0.05), "passed"),
        (moving([1e-3] * 30, cosine=None, rates=[-0.1] * 30), "not triggered"),  # maximize=True
        (moving([1e-3] * 30, "SGD", "Adam", cosine=0.7), "not triggered"),
    ],
)
def test_what_is_no_ascent(run: Run, ended: str) -> None:
    assert state(run, "RUN110") == ended


# RUN111, RUN112


def test_steps_that_change_next_to_nothing_are_found() -> None:
    (finding,) = found(moving([1e-8] * 30), "RUN111")
    assert finding.location.line == STEP.line


def test_the_end_of_a_schedule_is_not_what_counts() -> None:
    rates = [0.1] * 10 + [1e-7] * 30
    assert not found(moving([1e-3] * 10 + [1e-9] * 30, rates=rates), "RUN111")


def test_small_and_large_steps_that_get_somewhere_are_left_alone() -> None:
    falling = [2.0 / (1 + index) for index in range(30)]
    assert state(moving([1e-8] * 30, losses=falling), "RUN111") == "not triggered"
    assert state(moving([0.6] * 30, losses=falling), "RUN112") == "not triggered"


def test_steps_that_throw_the_weights_about_are_found() -> None:
    (finding,) = found(moving([0.6] * 30), "RUN112")
    assert "`a.weight` by 0.6 of its size" in finding.message
    assert not found(moving([0.6] * 15 + [0.1] * 15), "RUN112")
    assert not found(moving([0.6] * 30, "SGD", "Adam"), "RUN112")


# RUN113


def test_a_layer_that_no_loss_reaches_is_noted_at_its_line() -> None:
    run = moving([1e-3] * 30)
    run.idle.append(Idle(30, 1, ["b.weight", "b.bias"], 22))
    (finding,) = found(run, "RUN113")
    assert finding.severity is Severity.INFO
    assert finding.location.line == 6
    assert "holds `b`, which no loss ever reached" in finding.message


def test_all_of_an_optimizer_unused_is_told_by_another() -> None:
    run = moving([1e-3] * 30)
    run.idle.append(Idle(30, 1, ["a.weight", "a.bias", "b.weight", "b.bias"], 22))
    assert not found(run, "RUN113")
    assert "saw 0" in reason(moving([1e-3] * 5), "RUN113")


# RUN803


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        (Uniform(30, 1, ["a.weight"], 26, True), "found"),
        (Uniform(30, 1, ["a.weight", "b.weight"], 26, False), "found"),
        (Uniform(30, 1, ["b.weight"], 26, False), "passed"),  # a head that waits
        (Uniform(30, 1, ["a.weight"], 8, True), "not triggered"),
        (Uniform(30, 1, [], 0, True), "passed"),  # they came apart
    ],
)
def test_units_that_stay_alike(line: Uniform, ended: str) -> None:
    run = moving([1e-3] * 30)
    run.uniform += [Uniform(8, 1, ["a.weight"], 8, line.moving), line]
    assert state(run, "RUN803") == ended
    assert all(one.location.line in (LAYER.line, MADE.line) for one in found(run, "RUN803"))


# The probes


def test_what_a_step_does_is_measured(tmp_path: Path) -> None:
    told = watch(
        tmp_path,
        """
        model = nn.Sequential(nn.Linear(300, 80), nn.Linear(80, 1, bias=False))
        for parameter in model[1].parameters():
            parameter.data.fill_(0.5)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for index in range(40):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 300)).square().mean() / 100
            loss.backward()
            optimizer.step()
        """,
    )
    moves = told.run.movements
    assert [move.step for move in moves] == [*range(20), 22, 33]
    assert all(move.cosine == pytest.approx(-1, abs=0.05) for move in moves)
    exact = [one.update_ratio for one in told.run.steps if one.update_ratio is not None]
    assert moves[0].largest == pytest.approx(exact[0], rel=0.1)
    assert told.run.idle[-1].names == []
    assert not [line for line in told.run.uniform if line.names]


def test_large_tensors_are_sampled_across_their_columns() -> None:
    torch = pytest.importorskip("torch")
    from trainlint.runtime_checks.probes.movement import sample

    columns = torch.arange(1024.0).expand(256, 1024).contiguous()
    taken = sample(columns)
    assert taken.numel() <= 16_384
    assert taken.unique().numel() > 500
    half = sample(torch.ones(4, dtype=torch.bfloat16))
    assert half.dtype is torch.float32
