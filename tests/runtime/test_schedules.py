"""Detectors of learning rates and their schedules; and the probe that they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from run_builder import SCRIPT, STEP, found, new_run, reason, state, step
from watched import watch

from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.record import Pass, Raised, Schedule, Site
from trainlint.runtime_checks.run import Run

MADE, TICK = Site(SCRIPT, 12), Site(SCRIPT, 23)


def rated(rates: Sequence[float], batches: int | None = None, reason: str = "finished") -> Run:
    """A run of one optimizer with these rates; passes of `batches`."""
    run = new_run(reason=reason)
    for index, rate in enumerate(rates):
        if batches and index % batches == 0:
            run.passes.append(Pass(index, Site(SCRIPT, 18), 1, batches, 8, True))
        step(run, lrs=[rate], update_ratio=None)
    return run


def scheduled(run: Run, calls: int, name: str = "StepLR", **changed: object) -> Run:
    """Add a scheduler that was stepped so often."""
    values: dict[str, object] = {
        "step": len(run.steps),
        "id": 9,
        "name": name,
        "site": MADE,
        "optimizer": 1,
        "taken": len(run.steps),
        "calls": calls,
        "stepped": TICK if calls else None,
        **changed,
    }
    run.schedules[9] = Schedule(**values)  # type: ignore[arg-type]
    return run


# RUN501


@pytest.mark.parametrize(
    "rates",
    [
        [0.0] * 1 + [0.1] * 60,  # a warm-up that begins at 0
        [0.1] * 60 + [0.0] * 2,  # a decay that ends there
        [0.0] * 25 + [0.1] * 60,  # an epoch at 0, of several
        [0.1 * 0.9**index for index in range(80)],
    ],
)
def test_a_rate_that_is_zero_for_a_while_passes(rates: list[float]) -> None:
    assert state(rated(rates), "RUN501") == "passed"


@pytest.mark.parametrize(
    ("rates", "words", "first"),
    [
        ([0.0] * 40, "all 40 steps", 0),
        ([0.0] * 40 + [0.1] * 30, "the first 40 steps", 0),
        ([0.1] * 60 + [0.0] * 30, "the last 30 steps", 60),
    ],
)
def test_a_rate_that_stays_zero_is_found(rates: list[float], words: str, first: int) -> None:
    (finding,) = found(rated(rates), "RUN501")
    assert words in finding.message
    assert finding.location.line == STEP.line
    assert finding.evidence[0].step == first


def test_weights_that_move_without_a_rate_are_no_mistake() -> None:
    run = rated([])
    for _ in range(40):
        step(run, lrs=[0.0], update_ratio=1e-3)
    assert "moves its weights" in reason(run, "RUN501")


def test_one_group_at_zero_is_a_way_to_freeze_it() -> None:
    run = rated([])
    for _ in range(40):
        step(run, lrs=[0.0, 0.1])
    assert state(run, "RUN501") == "passed"


def test_an_optimizer_that_waits_for_its_turn_is_left_alone() -> None:
    run = new_run("SGD", "Adam", reason="steps")
    for _ in range(40):
        step(run, lrs=[0.0])
        step(run, optimizer=2)
    assert "wait for its turn" in reason(run, "RUN501")


# RUN502


def test_a_schedule_that_has_not_changed_anything_yet_passes() -> None:
    assert state(scheduled(rated([0.1] * 100), 5, length=30), "RUN502") == "passed"


def test_a_scheduler_that_is_never_stepped_is_found_where_it_was_made() -> None:
    (finding,) = found(scheduled(rated([0.1] * 60), 0), "RUN502")
    assert finding.location.line == MADE.line
    assert "never stepped" in finding.message


@pytest.mark.parametrize("change", [{"name": "SWALR"}, {"siblings": 1}, {"torchs": False}])
def test_a_scheduler_that_begins_later_is_left_alone(change: dict[str, object]) -> None:
    assert state(scheduled(rated([0.1] * 60), 0, **change), "RUN502") == "not triggered"  # type: ignore[arg-type]


def test_a_cut_run_may_not_have_reached_the_schedulers_step() -> None:
    assert "cut" in reason(scheduled(rated([0.1] * 60, 40, "steps"), 0), "RUN502")
    assert found(scheduled(rated([0.1] * 60, 20, "steps"), 0), "RUN502")


def test_a_scheduler_whose_optimizer_rests_is_found() -> None:
    run = scheduled(rated([0.1] * 60), 5, taken=0, optimizer=7)
    (finding,) = found(run, "RUN502")
    assert finding.location.line == TICK.line
    run = scheduled(rated([0.1] * 30, reason="steps"), 5, taken=0, optimizer=7)
    assert "may step later" in reason(run, "RUN502")


def test_a_rate_that_is_set_back_is_found() -> None:
    run = scheduled(rated([0.1] * 60), 5, changed=4)
    assert "sets it back" in found(run, "RUN502")[0].message
    run = scheduled(rated([0.1] * 40 + [0.05] * 20), 5, changed=4)
    assert state(run, "RUN502") == "passed"


# RUN503


def decay(steps: int, every: int, gamma: float = 0.1) -> list[float]:
    return [0.1 * gamma ** (index // every) for index in range(steps)]


def test_a_rate_that_has_gone_in_the_first_pass_is_found() -> None:
    (finding,) = found(scheduled(rated(decay(200, 10), 80), 200, length=10), "RUN503")
    assert finding.location.line == TICK.line
    assert "within its first pass" in finding.message


def test_the_cause_is_told_and_not_the_rate_of_zero_that_follows() -> None:
    run = scheduled(rated([0.1] * 10 + [0.0] * 190, 80), 200, "PolynomialLR")
    assert [finding.code for finding in judge(run).findings] == ["RUN503"]


def test_a_schedule_over_all_steps_that_ends_at_nothing_passes() -> None:
    rates = [0.1 * (1 - index / 200) for index in range(200)]
    run = scheduled(rated(rates, 40), 200, "LinearLR", length=200, argument="total_iters")
    assert state(run, "RUN503") == "passed"


def test_whole_data_in_each_step_makes_an_epoch_of_it() -> None:
    run = scheduled(rated(decay(200, 40, 0.3)), 200, length=40, argument="step_size")
    assert state(run, "RUN503") == "passed"


def test_a_plateau_lowers_the_rate_when_it_sees_fit() -> None:
    run = scheduled(rated(decay(200, 10), 80), 200, "ReduceLROnPlateau")
    assert state(run, "RUN503") == "passed"


def test_a_cosine_that_swings_within_a_pass_is_found() -> None:
    options: dict[str, object] = {"length": 5, "argument": "T_max"}
    run = scheduled(rated([0.1] * 120, 60), 120, "CosineAnnealingLR", **options)
    assert "swings" in found(run, "RUN503")[0].message
    run = scheduled(rated([0.1] * 120, 8), 120, "CosineAnnealingLR", **options)
    assert state(run, "RUN503") == "passed"


def test_a_cycle_of_all_steps_that_is_stepped_once_an_epoch_is_found() -> None:
    run = scheduled(rated([0.1] * 60, 15), 4, "OneCycleLR", length=60, argument="total_steps")
    assert "hardly begins" in found(run, "RUN503")[0].message


@pytest.mark.parametrize("length", [4, 100, 300])
def test_a_cycle_of_epochs_that_is_stepped_once_an_epoch_passes(length: int) -> None:
    run = scheduled(rated([0.1] * 60, 15), 4, "OneCycleLR", length=length, argument="total_steps")
    assert state(run, "RUN503") == "passed"


def test_what_a_cut_run_would_have_done_is_extrapolated() -> None:
    run = scheduled(
        rated([0.1] * 60, 20, "steps"), 3, "CosineAnnealingLR", length=4000, argument="T_max"
    )
    assert found(run, "RUN503")
    run.schedules[9] = replace(run.schedules[9], length=4010)
    assert state(run, "RUN503") == "passed"


def test_a_cycle_that_raised_at_its_end_is_found() -> None:
    run = scheduled(rated([0.1] * 11), 10, "OneCycleLR", length=10, argument="total_steps")
    text = "Tried to step 11 times. The specified number of total steps is 10"
    run.raised = Raised(11, "ValueError", text, [])
    assert found(run, "RUN503")[0].location.line == TICK.line


# RUN504


def test_a_scheduler_between_backward_and_step_is_found() -> None:
    run = scheduled(rated([0.1] * 40), 40, between=39, early=1)
    assert found(run, "RUN504")[0].location.line == TICK.line
    assert state(scheduled(rated([0.1] * 40), 40, between=2), "RUN504") == "passed"


@pytest.mark.parametrize(
    ("change", "ended"),
    [
        ({"early": 1, "opening": True}, "found"),
        ({"early": 3, "opening": True}, "passed"),  # a resumed schedule is wound forward
        ({"early": 1, "opening": False}, "passed"),  # an agent that only collects at first
        ({"early": 1, "opening": True, "name": "LambdaLR"}, "not triggered"),
    ],
)
def test_the_order_of_old_torch_is_found(change: dict[str, object], ended: str) -> None:
    assert state(scheduled(rated([0.1] * 40, 10), 4, **change), "RUN504") == ended  # type: ignore[arg-type]


# The probe


def test_calls_are_counted_once_whatever_calls_what(tmp_path: Path) -> None:
    told = watch(
        tmp_path,
        """
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        parts = [torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4),
                 torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)]
        whole = torch.optim.lr_scheduler.SequentialLR(optimizer, parts, [4])
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        for index in range(24):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 3)).square().mean()
            loss.backward()
            optimizer.step()
            whole.step()
            if index % 6 == 5:
                plateau.step(loss.item())
        """,
    )
    schedules = {one.name: one for one in told.run.schedules.values() if one.calls}
    assert {name: one.calls for name, one in schedules.items()} == {
        "SequentialLR": 24,
        "ReduceLROnPlateau": 4,
    }
    assert schedules["SequentialLR"].taken == 24
    assert schedules["SequentialLR"].siblings == 1
    assert schedules["SequentialLR"].between == schedules["SequentialLR"].early == 0
    assert schedules["SequentialLR"].changed > 10
    assert not told.codes
