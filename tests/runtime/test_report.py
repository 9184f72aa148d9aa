"""The report of a run: outcome, clipping, detectors, trials, and the same as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from run_builder import SCRIPT, clip, epochs, evaluate, new_run, ordinary, step, train

from trainlint.runtime_checks.clipping import clip_summary
from trainlint.runtime_checks.curves import run_curves
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.export import to_json
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.record import End, Frame, Raised, Site, TrialState
from trainlint.runtime_checks.report import render_report
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import last_mean, thin
from trainlint.runtime_checks.table import trial_rows

SCREEN = """\
30 optimizer steps in 1.0 s on cpu; the script ran to its end
  a pass of 1875 batches was cut to 66

train.py:22:1: error RUN104 boom

loss           ██▇▆▅▅▄▄▄▃▃▃▃▂▂▂▂▂▂▁▁▁▁▁▁▁▁▁▁▁ 2 to 0.513, training
gradient norm  ▁▁▁▁▂▂▂▂▃▃▃▄▄▄▄▅▅▅▅▆▆▆▇▇▇▇████ 2 to 1.37e+14
learning rate  0.1 throughout
clipping       no gradient was clipped in 30 steps
evaluations    1 evaluation, last nan at step 30
found          exploding-gradients
passed         script-raised, script-killed, script-exited, stale-gradients,
               step-without-gradients, unheld-parameters, non-finite
not triggered  clipping-without-effect: no gradient was clipped
               overfitting: needs three finite evaluations after training steps, saw 0
               global-step-stands-still, global-step-falls: no add_scalar was seen

trial          peak grad norm  final train loss  final eval loss  cured   not cured
(plain)        1.37e+14        0.584             nan              -       RUN104
clip-norm=1.0  3.11            0.451             -                RUN104  -
  cured: clipped 30 steps
spectral-norm  not applied: no layer is eligible
"""


def exploding() -> Run:
    run = train(new_run(), [2 * 3.0**index for index in range(30)])
    evaluate(run, math.nan)
    return run


def trial(run: Run, applied: bool = True, what: str = "clipped 30 steps") -> Run:
    run.trial = TrialState(applied, what)
    return run


# Clipping


def test_the_summary_tells_how_often_and_how_strongly_it_bit() -> None:
    run = new_run()
    for norm in (0.5, 2.0, 4.0, 0.1):
        clip(run, norm)
        step(run, norm, norm_after=min(norm, 1.0))
    summary = clip_summary(run)
    assert (summary.calls, summary.bites, summary.left) == (4, 2, 0.375)
    assert summary.sentence() == (
        "by norm at 1, 4 calls in 4 steps: it bit in 50% of them, leaving 37.5% of the norm in the "
        "median"
    )


def test_clipping_that_always_bites_hard_sets_the_step_size() -> None:
    run = new_run()
    for _ in range(20):
        clip(run, 500.0)
        step(run, 500.0, norm_after=1.0)
    assert "sets the step size" in clip_summary(run).sentence()


def test_clipping_by_value_is_read_off_the_step() -> None:
    run = new_run()
    for after in (4.0, 2.0):
        clip(run, 4.0, how="value", limit=0.5)
        step(run, 4.0, norm_after=after)
    summary = clip_summary(run)
    assert (summary.how, summary.bites, summary.left) == (("value",), 1, 0.5)


@pytest.mark.parametrize(
    ("norm", "limit", "words"), [(0.5, 1.0, "never bit"), (9.0, math.inf, "only measures")]
)
def test_clipping_that_does_nothing(norm: float, limit: float, words: str) -> None:
    run = new_run()
    clip(run, norm, limit=limit)
    step(run, norm)
    assert words in clip_summary(run).sentence()


def test_no_clipping() -> None:
    assert clip_summary(ordinary()).sentence() == "no gradient was clipped in 40 steps"


# Outcome


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End("finished", 40, 1.26), "40 optimizer steps in 1.3 s on cpu; the script ran to its"),
        (End("steps", 40, 1.0), "stopped at the budget"),
        (End("seconds", 40, 1.0), "time was up"),
        (End("exit", 40, 1.0, 3), "sys.exit(3)"),
        (End("interrupted", 40, 1.0), "interrupted"),
        (End("killed", 40, 1.0, -11), "SIGSEGV"),
        (None, "40 optimizer steps on cpu; the script's process vanished"),
    ],
)
def test_how_a_run_ended(end: End | None, words: str) -> None:
    run = ordinary()
    run.end = end
    assert words in outcome_line(run)


def test_a_run_that_raised_says_what() -> None:
    run = ordinary()
    run.end = End("raised", 40, 1.0)
    run.raised = Raised(40, "builtins.ValueError", "x", [Frame(SCRIPT, 3, "f")])
    assert outcome_line(run).endswith("the script raised ValueError")


# Trials


def test_a_trial_that_cures() -> None:
    plain, cured = trial_rows(exploding(), [("clip-norm=1.0", trial(ordinary()))])
    assert plain.peak == pytest.approx(2 * 3.0**29)
    assert math.isnan(plain.evaluation or 0.0)
    assert plain.not_cured == ("RUN104",)
    assert (cured.cured, cured.not_cured, cured.unclear) == (("RUN104",), (), ())
    assert cured.what == "clipped 30 steps"


def test_a_trial_that_does_not_cure_or_brings_something_new() -> None:
    worse = trial(train(new_run(), [1.0, math.nan, math.nan]))
    same, other = trial_rows(exploding(), [("lr", trial(exploding())), ("x", worse)])[1:]
    assert same.not_cured == ("RUN104",)
    assert other.brought == ("RUN105",)


def test_a_trial_too_short_to_reach_the_mistake_is_unclear() -> None:
    short = trial(train(new_run(), [1.0] * 5))
    assert trial_rows(exploding(), [("lr=0.1", short)])[1].unclear == ("RUN104",)
    overfit = epochs([1.0, 0.5, 0.1], [1.0, 1.3, 1.8])
    assert trial_rows(overfit, [("lr=0.1", short)])[1].unclear == ("RUN301",)


def test_a_trial_that_could_not_apply_says_why() -> None:
    never = trial(new_run(), False, "no layer is eligible")
    rows = trial_rows(ordinary(), [("spectral-norm", never), ("weight-norm", new_run())])
    assert rows[1].reason == "not applied: no layer is eligible"
    assert rows[2].reason == "not applied: the run ended before the change could be made"


def test_steps_that_a_scaler_left_out_are_no_peak() -> None:
    run = ordinary()
    step(run, math.inf, skipped=True)
    assert trial_rows(run, [])[0].peak == max(one.norm or 0 for one in run.steps[:-1])


# The text


def test_the_report_is_one_screen() -> None:
    run = exploding()
    run.notes.append("a pass of 1875 batches was cut to 66")
    never = trial(new_run(), False, "no layer is eligible")
    trials = [("clip-norm=1.0", trial(ordinary())), ("spectral-norm", never)]
    # A few detectors: with each that is new, the list grows.
    codes = {"RUN001", "RUN002", "RUN004", "RUN101", "RUN102", "RUN103", "RUN104", "RUN105",
             "RUN201", "RUN301", "RUN701", "RUN702"}  # fmt: skip
    judgement = judge(run)
    few = tuple(outcome for outcome in judgement.outcomes if outcome.code in codes)
    judgement = replace(judgement, outcomes=few)
    text = render_report(run, judgement, "train.py:22:1: error RUN104 boom\n", trials)
    assert text == SCREEN
    assert max(map(len, text.splitlines())) <= 100


def test_colours_only_where_asked() -> None:
    run = ordinary()
    plain = render_report(run, judge(run), "")
    coloured = render_report(run, judge(run), "", color=True)
    assert "\x1b" in coloured
    assert "\x1b" not in plain


def test_a_run_without_steps_says_so_and_little_else() -> None:
    run = new_run(reason="exit")
    text = render_report(run, judge(run), "")
    assert text.startswith("the script never reached an optimizer step: it called sys.exit(0)")
    assert "passed" not in text


def test_several_lines_that_evaluate_are_told_apart() -> None:
    run = epochs([1.0, 0.5], [1.0, 0.5])
    evaluate(run, 3.0, Site(SCRIPT, 44))
    text = render_report(run, judge(run), "")
    assert "line 30: 2 evaluations, lowest loss 0.5 at step 10" in text
    assert "line 44: 1 evaluation" in text


# JSON and curves


def test_the_json_is_plain_and_complete() -> None:
    run = exploding()
    value = to_json(run, judge(run), [("clip-norm=1.0", trial(ordinary()))])
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["outcome"] == "finished"
    assert value["steps"] == 30
    assert value["trials"][1]["cured"] == ["RUN104"]
    assert value["evaluations"][0]["loss"] == "nan"
    states = {one["code"]: one["state"] for one in value["detectors"]}
    assert states["RUN104"] == "found"
    assert states["RUN701"] == "not triggered"
    assert "RUN204" not in states


def test_long_curves_are_thinned_and_keep_their_peak() -> None:
    norms = [1.0] * 1000
    norms[333] = 90.0
    run = train(new_run(), norms)
    curves = {curve["tag"]: curve["points"] for curve in to_json(run, judge(run))["curves"]}
    assert set(curves) == {
        "loss/training",
        "gradient norm/before clipping",
        "gradient norm/after clipping",
        "learning rate",
    }
    assert all(len(points) == 200 for points in curves.values())
    assert [333, 90.0] in curves["gradient norm/before clipping"]
    assert curves["loss/training"][-1][0] == 999


def test_curves_of_several_optimizers_and_groups_are_told_apart() -> None:
    run = new_run("Adam", "SGD")
    step(run, optimizer=1, lrs=[0.1, 0.2], update_ratio=0.01)
    step(run, optimizer=2)
    run.evaluations.clear()
    tags = [curve.tag for curve in run_curves(run)]
    assert "learning rate/Adam 1/group 1" in tags
    assert "learning rate/SGD 2" in tags
    assert "update ratio/Adam 1" in tags
    assert "update ratio/SGD 2" not in tags


def test_an_empty_record_is_reported() -> None:
    run = Run()
    assert json.dumps(to_json(run, judge(run)), allow_nan=False)
    assert "vanished" in render_report(run, judge(run), "")


def test_series() -> None:
    assert last_mean([5.0, None, 1.0, 3.0], 2) == 2.0
    assert last_mean([]) is None
    assert math.isnan(last_mean([1.0, math.nan, 2.0]) or 0.0)
    points = [(index, float(index % 7)) for index in range(11)]
    assert thin(points, 200) == points
    assert len(thin(points, 4)) == 4
