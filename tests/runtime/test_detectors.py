"""Each detector: found, passed, not triggered, and what only looks ill."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from run_builder import (
    BACKWARD,
    CLIP,
    EVALUATE,
    LOG,
    MADE,
    SCRIPT,
    STEP,
    begin_pass,
    clip,
    epochs,
    evaluate,
    found,
    log,
    logged,
    new_run,
    ordinary,
    reason,
    state,
    step,
    train,
)

from trainlint.finding import Severity
from trainlint.registry import DETECTORS, load
from trainlint.runtime_checks.detection import Thresholds, judge
from trainlint.runtime_checks.detectors.never_stepped import never_stepped_message
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.record import (
    Backward,
    End,
    Frame,
    ModelInfo,
    NonFinite,
    OptimizerInfo,
    ParameterInfo,
    Raised,
    Site,
    Unheld,
)
from trainlint.runtime_checks.run import Run

INF, NAN = math.inf, math.nan


def raised(
    kind: str = "ValueError", text: str = "bad", *frames: tuple[str, int], name: str | None = None
) -> Run:
    run = new_run(reason="raised")
    places = frames or ((SCRIPT, 15),)
    run.raised = Raised(0, kind, text, [Frame(path, line, "f") for path, line in places], name)
    return run


def line_of(run: Run, code: str) -> int:
    (finding,) = found(run, code)
    assert finding.location.path == SCRIPT
    return finding.location.line


# RUN001


def test_an_exception_is_told_at_the_innermost_own_line() -> None:
    torch = "/venv/lib/python3.11/site-packages/torch/nn/functional.py"
    run = raised("RuntimeError", "shapes differ\nmore", (SCRIPT, 28), (SCRIPT, 15), (torch, 2000))
    (finding,) = found(run, "RUN001")
    assert finding.location.line == 15
    assert "RuntimeError: shapes differ (inside `f`)" in finding.message
    assert "more" not in finding.message
    assert [place.location.line for place in finding.related] == [28]


def test_own_lines_are_known_without_a_record_of_lines() -> None:
    run = raised("OSError", "x", (SCRIPT, 3), ("/usr/x/dist-packages/y.py", 9), ("<string>", 1))
    run.lines = {}
    assert line_of(run, "RUN001") == 3


def test_an_exception_without_own_frames_stands_at_the_script() -> None:
    run = raised("SyntaxError", "invalid syntax", ("<frozen importlib>", 241))
    assert line_of(run, "RUN001") == 1


@pytest.mark.parametrize("reached", [True, False])
def test_no_exception_passes(reached: bool) -> None:
    assert state(ordinary() if reached else new_run(), "RUN001") == "passed"


def test_an_interrupt_is_no_exception_of_the_script() -> None:
    assert reason(raised("KeyboardInterrupt", ""), "RUN001") == "the run was interrupted"


# RUN002, RUN003


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (None, "vanished"),
        (End("vanished", 3, 1.0, 7), "exit status 7"),
        (End("killed", 3, 1.0, -9), "SIGKILL"),
        (End("killed", 3, 1.0, -200), "signal 200"),
        (End("hung", 3, 1.0), "hung"),
    ],
)
def test_a_killed_script_tells_what_was_measured(end: End | None, words: str) -> None:
    run = train(new_run(), [1.0] * 3, [3.0, 2.0, 1.5])
    run.end = end
    (finding,) = found(run, "RUN002")
    assert words in finding.message
    assert "3 optimizer steps, last training loss 1.5" in finding.message
    assert finding.location.line == STEP.line


@pytest.mark.parametrize("why", ["finished", "steps", "seconds", "raised", "exit", "interrupted"])
def test_an_orderly_end_passes(why: str) -> None:
    assert state(new_run(reason=why), "RUN002") == "passed"


def test_a_run_without_steps_has_reached_nothing() -> None:
    run = new_run(reason="exit")
    run.backwards.append(Backward(0, BACKWARD, 1.0))
    begin_pass(run)
    begin_pass(run)
    assert not judge(run).reached
    assert never_stepped_message(run) == (
        "the script never reached an optimizer step (it made 1 backward call and 2 data passes): "
        "it called sys.exit(0) first"
    )
    assert found(run, "RUN003")[0].severity is Severity.INFO
    assert {one.code for one in judge(run).findings} == {"RUN003"}


def test_a_run_with_steps_has_reached_training() -> None:
    assert judge(ordinary()).reached
    assert state(ordinary(), "RUN003") == "passed"


# RUN101


def stale(count: int, steps: int = 10, **changed: Any) -> Run:
    run = new_run()
    for index in range(steps):
        step(run, stale=0 < index <= count, **changed)
    return run


def test_gradients_that_are_never_cleared() -> None:
    (finding,) = found(stale(9), "RUN101")
    assert finding.location.line == STEP.line
    assert "(9 of 10 steps)" in finding.message
    assert finding.related[0].location.line == MADE.line


def test_accumulation_and_a_single_uncleared_step_are_healthy() -> None:
    assert state(stale(0, backwards=4), "RUN101") == "passed"
    assert state(stale(2), "RUN101") == "passed"


def test_stale_needs_some_steps() -> None:
    assert reason(stale(1, 2), "RUN101") == "needs 4 steps of one optimizer, saw 2"
    assert reason(new_run(), "RUN101") == "no optimizer step was seen"


# RUN102


def gradless(count: int, steps: int = 10, **changed: Any) -> Run:
    run = new_run()
    for index in range(steps):
        step(run, norm=0.0, with_grad=0 if index < count else 4, **changed)
    return run


def test_steps_that_no_backward_reaches() -> None:
    (finding,) = found(gradless(10), "RUN102")
    assert "backward() did not reach them" in finding.message
    (finding,) = found(gradless(10, backwards=0), "RUN102")
    assert "no backward() came before it" in finding.message
    assert finding.location.line == STEP.line


def test_steps_with_gradients_pass() -> None:
    assert state(ordinary(), "RUN102") == "passed"
    assert state(gradless(4), "RUN102") == "passed"


def test_closures_compute_their_gradients_inside_the_step() -> None:
    lbfgs = gradless(10, backwards=20)
    lbfgs.optimizers[1] = replace(lbfgs.optimizers[1], name="LBFGS")
    assert state(lbfgs, "RUN102") == "not triggered"
    assert state(gradless(10, update_ratio=0.01), "RUN102") == "not triggered"


def test_steps_that_a_scaler_left_out_do_not_count() -> None:
    assert state(gradless(10, skipped=True), "RUN102") == "not triggered"
    assert reason(gradless(2, 2), "RUN102") == "needs 3 steps, saw 2"


# RUN103


def unheld(names: list[str], held: list[str], steps: int = 30) -> Run:
    run = ordinary(steps)
    run.optimizers[1] = replace(run.optimizers[1], parameters=held)
    run.unheld.append(Unheld(steps, 1, names, steps))
    return run


def test_a_layer_that_no_optimizer_holds() -> None:
    (finding,) = found(unheld(["b.weight", "b.bias"], ["a.weight", "a.bias"]), "RUN103")
    assert finding.location.line == 6
    assert "`b.weight`, `b.bias` of `Net`" in finding.message


def test_a_layer_that_an_optimizer_takes_up_later_is_healthy() -> None:
    run = unheld(["b.weight"], ["a.weight"])
    run.optimizers[2] = OptimizerInfo(2, "Adam", MADE, ["b.weight"], [1])
    assert state(run, "RUN103") == "passed"


def test_a_network_that_no_optimizer_holds_at_all_may_be_meant_so() -> None:
    run = ordinary()
    layers = [ParameterInfo("conv.weight", [3, 3], "Conv2d", True)]
    run.models[2] = ModelInfo(2, "VGG", None, layers)
    run.unheld.append(Unheld(40, 2, ["conv.weight"], 40))
    assert "a fixed network in the loss" in reason(run, "RUN103")


def test_unheld_needs_twenty_steps() -> None:
    assert reason(unheld(["b.bias"], ["a.bias"], 8), "RUN103") == "needs 20 steps, saw 8"
    assert reason(ordinary(8), "RUN103") == "needs 20 steps, saw 8"
    assert state(ordinary(), "RUN103") == "passed"


# RUN104


def growing(factor: float, steps: int = 40) -> list[float]:
    return [2 * factor**index for index in range(steps)]


def test_gradients_that_grow_without_end() -> None:
    run = train(new_run(), growing(3, 20))
    run.steps[11] = replace(run.steps[11], norms=[1.0, 2.0, 9e5, 3.0])
    (finding,) = found(run, "RUN104")
    assert finding.severity is Severity.ERROR
    assert finding.location.line == STEP.line
    assert "`SGD` explode from step 11" in finding.message
    assert "worst in `b.weight`" in finding.message
    assert [place.location.line for place in finding.related] == [MADE.line, 6]
    facts = {(fact.quantity, fact.step): fact.value for fact in finding.evidence}
    assert facts["gradient norm of b.weight", 11] == 9e5
    assert facts["peak gradient norm", 19] == run.steps[19].norm


@pytest.mark.parametrize("factor", [1.1, 1.5, 10, 1000])
def test_fast_and_slow_explosions(factor: float) -> None:
    assert found(train(new_run(), growing(factor, 120 if factor < 2 else 30)), "RUN104")


def test_an_explosion_that_overflows_is_one_finding() -> None:
    run = train(new_run(), [5.0, 1e5, 1e9, INF, NAN, NAN], [1, 2, 1e9, 1e18, NAN, NAN])
    codes = [finding.code for finding in judge(run).findings]
    assert codes == ["RUN104"]
    assert "not finite from step 3" in found(run, "RUN104")[0].message
    assert "exploded first, at step 1" in reason(run, "RUN105")


def test_a_lone_spike_counts_if_the_loss_does_not_come_back() -> None:
    calm = [1.0] * 20 + [5e4] + [1.0] * 20
    assert state(train(new_run(), calm, [1.0] * 20 + [50.0] + [1.0] * 20), "RUN104") == "passed"
    assert found(train(new_run(), calm, [1.0] * 21 + [40.0] * 20), "RUN104")


def test_norms_that_shrank_to_nothing_may_spike() -> None:
    tiny = [10.0**-index for index in range(8)] + [1e-8] * 20
    run = train(new_run(), [*tiny, 20.0, 50.0, 90.0, *tiny])
    assert state(run, "RUN104") == "passed"


def test_reinforcement_learning_with_growing_returns() -> None:
    noise = random.Random(3)
    norms = [(1 + index) * noise.lognormvariate(0, 0.8) for index in range(200)]
    losses = [noise.gauss(0, 5) * (1 + index / 20) for index in range(200)]
    assert not judge(train(new_run(), norms, losses)).findings


def test_a_first_step_without_gradient_is_no_baseline() -> None:
    assert state(train(new_run(), [0.0, 0.0, *[150.0] * 30]), "RUN104") == "passed"


def test_clipping_that_holds_an_explosion() -> None:
    hot = [1.0] * 10 + [1e5] * 10
    run = train(new_run(), hot)
    run.steps = [replace(one, norm_after=min(one.norm or 0.0, 1.0)) for one in run.steps]
    (finding,) = found(run, "RUN104")
    assert finding.severity is Severity.WARNING
    assert "clipping hides it" in finding.message
    rare = train(new_run(), [1.0] * 10 + ([1e5] + [1.0] * 19) * 5)
    rare.steps = [replace(one, norm_after=min(one.norm or 0.0, 1.0)) for one in rare.steps]
    assert state(rare, "RUN104") == "passed"


def test_players_of_a_game_get_a_warning() -> None:
    run = new_run("Adam", "Adam")
    for index, norm in enumerate(growing(3, 25)):
        step(run, 1.0, optimizer=1)
        step(run, norm if index else 1.0, optimizer=2)
    (finding,) = found(run, "RUN104")
    assert finding.severity is Severity.WARNING


def test_explosion_needs_measured_steps() -> None:
    assert "saw 0" in reason(train(new_run(), [None] * 9), "RUN104")


# RUN105


def test_a_loss_that_is_no_number() -> None:
    run = train(new_run(), [1.0, 1.0, NAN, NAN], [1.0, 1.0, NAN, NAN])
    run.nonfinite.append(NonFinite(2, "loss", [], BACKWARD, NAN))
    (finding,) = found(run, "RUN105")
    assert "the loss is nan at step 2" in finding.message
    assert finding.location.line == BACKWARD.line
    assert finding.evidence[0].value == "nan"


def test_a_gradient_that_is_no_number_under_a_finite_loss() -> None:
    run = train(new_run(), [1.0, NAN, NAN], [1.0, 1.0, NAN])
    run.nonfinite.append(NonFinite(1, "gradient", ["a.weight", "b.weight"], STEP, INF))
    assert "gradient of `a.weight`, `b.weight` is inf at step 1" in found(run, "RUN105")[0].message


def test_a_weight_that_is_no_number() -> None:
    run = ordinary()
    run.nonfinite.append(NonFinite(5, "weight", list("abcde"), STEP, NAN))
    assert "weight of `a`, `b`, `c` and 2 more is nan" in found(run, "RUN105")[0].message


def test_the_numbers_of_the_steps_are_enough() -> None:
    assert line_of(train(new_run(), [1.0, NAN], [1.0, 1.0]), "RUN105") == STEP.line


def test_steps_that_a_scaler_left_out_are_healthy() -> None:
    run = new_run()
    for index in range(30):
        bad = index in (0, 1, 17)
        step(run, INF if bad else 1.0, INF if bad else 1.0, skipped=bad)
    run.nonfinite += [NonFinite(0, what, [], STEP, INF) for what in ("loss", "gradient")]
    assert not judge(run).findings


def test_a_scaler_that_leaves_out_every_step_is_not() -> None:
    run = new_run()
    for _ in range(12):
        step(run, NAN, NAN, skipped=True)
    run.nonfinite.append(NonFinite(0, "loss", [], BACKWARD, NAN))
    assert found(run, "RUN105")


def test_a_bad_batch_that_the_script_skips_is_healthy() -> None:
    run = ordinary()
    run.nonfinite.append(NonFinite(7, "loss", [], BACKWARD, NAN))
    assert state(run, "RUN105") == "passed"


def test_non_finite_needs_a_step() -> None:
    assert state(new_run(), "RUN105") == "not triggered"


# RUN201, RUN202, RUN203, RUN204, RUN205


def clipped(norm: float | None = 5.0, steps: int = 10, **changed: Any) -> Run:
    run = new_run()
    for _ in range(steps):
        clip(run, norm, **changed)
        step(run, norm, norm_after=min(norm or 0.0, 1.0))
    return run


def test_clipping_in_its_place_passes_and_is_summed_up() -> None:
    run = clipped(backwards=1)
    assert state(run, "RUN201") == "passed"
    assert state(run, "RUN204") == "passed"
    assert state(clipped(), "RUN201") == "passed"


def test_clipping_before_backward_meets_nothing() -> None:
    (finding,) = found(clipped(None, tensors=0, optimizers=[]), "RUN201")
    assert finding.location.line == CLIP.line
    assert "meets no gradient" in finding.message
    assert "(10 of 10 calls)" in finding.message


@pytest.mark.parametrize("backwards", [0, None])
def test_clipping_after_the_step(backwards: int | None) -> None:
    run = new_run()
    for _ in range(10):
        step(run, 5.0)
        clip(run, 5.0, backwards=backwards)
    (finding,) = found(run, "RUN205")
    assert "comes after step()" in finding.message


def test_measuring_the_norm_after_the_step_is_healthy() -> None:
    run = new_run()
    for _ in range(10):
        step(run, 5.0)
        clip(run, 5.0, limit=INF, backwards=0)
    assert state(run, "RUN205") == "passed"


def test_clipping_a_small_part_of_the_gradients_is_healthy() -> None:
    run = new_run()
    for _ in range(10):
        clip(run, 5.0)
        step(run, 1e6)
    assert state(run, "RUN205") == "passed"


def test_clipping_scaled_gradients() -> None:
    (finding,) = found(clipped(scaled=True), "RUN203")
    assert "GradScaler" in finding.message
    assert "unscale_" in (finding.hint or "")


def test_clipping_that_always_bites_hard_is_advice() -> None:
    (finding,) = found(clipped(50.0, 30), "RUN202")
    assert finding.severity is Severity.INFO
    assert "leaves 2.0% of the norm" in finding.message
    assert state(clipped(5.0, 30), "RUN202") == "passed"
    assert "saw 10" in reason(clipped(50.0), "RUN202")


def test_few_or_no_clipping_calls_say_little() -> None:
    assert reason(clipped(None, 2, tensors=0), "RUN201") == "needs 3 calls, saw 2"
    assert reason(ordinary(), "RUN201") == "no gradient was clipped"
    assert "no clipping in 40 steps" in reason(ordinary(), "RUN204")
    assert not found(ordinary(), "RUN204")


# RUN301

FALLING = [2.0, 1.5, 1.1, 0.8, 0.6, 0.45, 0.34, 0.26, 0.2, 0.15, 0.11, 0.08]


def test_evaluation_rises_while_training_falls() -> None:
    rising = [1.8, 1.5, 1.3, 1.25, 1.3, 1.4, 1.55, 1.7, 1.8, 2.0, 2.2, 2.4]
    (finding,) = found(epochs(FALLING, rising), "RUN301")
    assert finding.location.line == EVALUATE.line
    assert "while the training loss falls" in finding.message
    facts = {fact.quantity: fact for fact in finding.evidence}
    assert facts["lowest evaluation loss"].value == pytest.approx(1.3)
    assert facts["last evaluation loss"].step == 55


def test_noise_does_not_hide_it() -> None:
    noise = random.Random(5)
    rising = [(1 + 0.1 * index) * noise.gauss(1, 0.05) for index in range(12)]
    assert found(epochs(FALLING, rising), "RUN301")


def test_a_loss_that_rose_and_stayed_is_seen() -> None:
    plateau = [1.8, 1.2, 1.0, 1.01, 2.0, 2.1, 2.05, 2.1, 2.06, 2.1, 2.04, 2.08]
    assert found(epochs(FALLING, plateau), "RUN301")


def test_three_evaluations_are_enough_for_a_steep_rise() -> None:
    assert found(epochs([1.0, 0.5, 0.1], [1.0, 1.3, 1.8]), "RUN301")
    assert state(epochs([1.0, 0.5, 0.1], [1.0, 1.05, 1.1]), "RUN301") == "passed"


def test_fewer_than_three_cannot_tell() -> None:
    assert "needs three finite evaluations after training steps, saw 2" in reason(
        epochs([1.0, 0.5], [1.0, 2.0]), "RUN301"
    )
    assert reason(ordinary(), "RUN301") == "needs three evaluations, saw none"


def test_an_evaluation_before_training_does_not_count() -> None:
    run = new_run()
    evaluate(run, 0.5)
    assert "saw 2" in reason(epochs([1.0, 0.5], [1.0, 2.0], run=run), "RUN301")


@pytest.mark.parametrize(
    ("training", "evaluation"),
    [
        (FALLING, [loss * 1.2 for loss in FALLING]),
        (FALLING, [1.0] * 12),
        (FALLING, [1.0, 0.5, 0.1, 0.01, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5, 7e-5, 8e-5]),
        ([1 + 0.1 * index for index in range(12)], [1 + 0.2 * index for index in range(12)]),
        ([1.0] * 12, [1 + 0.2 * index for index in range(12)]),
        (FALLING, [NAN] * 12),
    ],
    ids=["both fall", "level", "both near zero", "divergence", "no training", "no numbers"],
)
def test_what_is_no_overfitting(training: list[float], evaluation: list[float]) -> None:
    assert not found(epochs(training, evaluation), "RUN301")


def test_evaluation_noise_is_seldom_taken_for_overfitting() -> None:
    noise = random.Random(11)
    alarms = 0
    for index in range(300):
        count = 3 + index % 15
        levels = [noise.gauss(1, 0.05) for _ in range(count)]
        falls = [2 * 0.9**epoch for epoch in range(count)]
        alarms += bool(found(epochs(falls, levels, steps=1), "RUN301"))
    assert alarms <= 3


def test_train_and_test_sets_are_told_apart_by_line() -> None:
    run = new_run()
    for index, loss in enumerate(FALLING):
        train(run, [1.0] * 5, [loss] * 5)
        evaluate(run, loss, Site(SCRIPT, 40))
        evaluate(run, 1 + 0.2 * index, Site(SCRIPT, 41))
    assert line_of(run, "RUN301") == 41


def test_an_evaluation_in_each_step_is_judged_in_time() -> None:
    noise = random.Random(2)
    run = new_run()
    for index in range(400):
        train(run, [1.0], [2 / (1 + index)])
        evaluate(run, 2 / (1 + index) * noise.uniform(0.5, 1.5))
    assert not found(run, "RUN301")


# RUN701, RUN702


def test_a_step_that_stands_still_within_the_epoch() -> None:
    (finding,) = found(logged(20, lambda index: index // 5 * 5), "RUN701")
    assert finding.location.line == LOG.line
    assert "logged 5 times at global_step 0, over training steps 1 to 5" in finding.message


@pytest.mark.parametrize("length", [2, 5])
def test_a_step_that_counts_is_healthy(length: int) -> None:
    run = logged(20, lambda index: index, length)
    assert state(run, "RUN701") == "passed"
    assert state(run, "RUN702") == "passed"


def test_short_epochs_are_found_too() -> None:
    assert found(logged(12, lambda index: index // 2 * 2, 2), "RUN701")


def test_a_batch_index_that_starts_again_each_epoch() -> None:
    (finding,) = found(logged(20, lambda index: index % 5), "RUN702")
    assert "falls 3 times, first from 4 to 0 at training step 6" in finding.message
    assert state(logged(20, lambda index: index % 5), "RUN701") == "passed"


def test_counters_that_were_resumed_are_healthy() -> None:
    run = logged(20, lambda index: 5000 + index)
    assert state(run, "RUN702") == "passed"
    twice = logged(20, lambda index: index % 10)
    assert "a restart does too" in reason(twice, "RUN702")


def test_folds_of_several_epochs_are_healthy() -> None:
    assert state(logged(150, lambda index: index % 50), "RUN702") == "not triggered"


def test_the_same_step_in_other_curves_is_healthy() -> None:
    run = new_run()
    for epoch in range(6):
        train(run, [1.0] * 5)
        log(run, epoch, "loss", LOG, 1)
        log(run, epoch, "loss", LOG, 2)
        log(run, epoch, "loss/val", LOG, 1)
        log(run, epoch, "loss", Site(SCRIPT, 26), 1)
    assert not judge(run).findings


def test_values_without_a_training_step_between_them_are_healthy() -> None:
    run = new_run()
    for epoch in range(6):
        train(run, [1.0] * 5)
        for _ in range(8):
            log(run, epoch, "episodic_return")
    assert not judge(run).findings


def test_values_without_a_global_step_are_not_judged() -> None:
    run = logged(20, lambda index: None)
    assert "with a global_step" in reason(run, "RUN701")
    assert "with a global_step" in reason(run, "RUN702")


def test_logging_needs_values() -> None:
    assert reason(ordinary(), "RUN701") == "no add_scalar was seen"
    assert "no tag was logged three times" in reason(logged(2, lambda index: 0), "RUN701")


# Healthy runs as a whole


def gan() -> Run:
    """Two optimizers in turn; the generator's backward fills the other's gradients too."""
    noise = random.Random(7)
    run = new_run("Adam", "Adam")
    for epoch in range(4):
        begin_pass(run)
        for _ in range(25):
            for player in (1, 2):
                loss = noise.lognormvariate(0, 1)
                step(run, loss * noise.uniform(1, 20), loss, optimizer=player, backwards=2)
        log(run, epoch, "loss_d")
        log(run, epoch, "loss_g")
    return run


def lbfgs() -> Run:
    run = new_run("LBFGS")
    for index in range(30):
        step(run, 2 / (1 + index), with_grad=4 if index else 0, backwards=20)
    return run


def warm_up() -> Run:
    run = new_run()
    for index in range(60):
        lr = min(1.0, index / 30)
        step(run, 1.0, lrs=[lr], update_ratio=lr * 1e-3 if index % 10 == 0 else None)
    return run


def frozen() -> Run:
    run = new_run()
    run.optimizers[1] = replace(run.optimizers[1], parameters=["b.weight", "b.bias"])
    for _ in range(60):
        step(run, with_grad=2, total=2)
    return run


def converged() -> Run:
    noise = random.Random(9)
    norms = [math.exp(-index / 5) * noise.lognormvariate(0, 2) for index in range(200)]
    return epochs(FALLING, FALLING, run=train(new_run(), norms))


@pytest.mark.parametrize("make", [gan, lbfgs, warm_up, frozen, converged, ordinary])
def test_healthy_runs_are_silent(make: object) -> None:
    assert judge(make()).findings == ()  # type: ignore[operator]


def test_tiny_data_is_silent() -> None:
    assert judge(epochs([1.0, 0.5], [1.0, 1.5], steps=1)).findings == ()


# All of them


def test_every_detector_answers_an_empty_record() -> None:
    judgement = judge(Run())
    assert {one.code for one in judgement.outcomes} == {entry.code for entry in load(DETECTORS)}
    assert [finding.code for finding in judgement.findings] == ["RUN002", "RUN003"]


def test_findings_are_stamped_and_thresholds_count() -> None:
    run = stale(2)
    (finding,) = judge(run, Thresholds(stale_steps=2)).findings
    assert (finding.code, finding.name) == ("RUN101", "stale-gradients")
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize("entry", load(DETECTORS), ids=lambda entry: entry.code)
def test_every_manual_explains(entry: object) -> None:
    manual = entry.manual  # type: ignore[attr-defined]
    assert manual.summary.endswith(".")
    assert len(manual.explanation) > 100


def test_a_run_of_few_steps_is_not_called_healthy() -> None:
    judgement = judge(ordinary(3))
    assert not judgement.is_telling
    assert judgement.too_few == (
        "too few steps to judge: it took 3 optimizer steps, and 10 is the least (let it train for "
        "longer)"
    )
    run = ordinary(9)
    run.end = End("seconds", 9, 60.0)
    assert "(raise --max-seconds)" in judge(run).too_few
    assert judge(ordinary(10)).is_telling
    assert judge(ordinary(3), Thresholds(least_steps=3)).is_telling


def test_each_evaluation_of_a_closure_counts_as_a_step() -> None:
    run = new_run("LBFGS")
    step(run, backwards=12)
    assert judge(run).is_telling


# RUN002, of scripts that wait


def test_a_script_that_waits_for_ever_is_told_where() -> None:
    run = ordinary(12)
    run.end = End("hung", 12, 20.0, site=Site(SCRIPT, 7), inside="queue.get", idle=14.0)
    (finding,) = found(run, "RUN002")
    assert finding.location.line == 7
    assert "second 6, it waits at line 7 (in queue.get)" in finding.message


def test_where_a_script_stood_that_worked_on_is_told_in_the_headline() -> None:
    run = ordinary(12)
    run.end = End("seconds", 12, 20.0, site=Site(SCRIPT, 7), idle=14.0)
    assert found(run, "RUN002") == []
    assert outcome_line(run).endswith("since second 6, it is at line 7")
    run.end = End("seconds", 12, 20.0, site=Site(SCRIPT, 7), idle=0.5)
    assert outcome_line(run).endswith("stopped when its time was up")


def test_where_a_script_stood_that_never_trained() -> None:
    run = new_run()
    run.end = End("seconds", 0, 20.0, site=Site(SCRIPT, 7), inside="socket.recv", idle=14.0)
    (finding,) = found(run, "RUN003")
    assert finding.location.line == 7
    assert finding.message.endswith("up after 20 s, at line 7 (in socket.recv)")
