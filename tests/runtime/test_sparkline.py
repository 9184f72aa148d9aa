"""Curves in a few characters, and what of a run is drawn so."""

from __future__ import annotations

import math

from run_builder import new_run, ordinary, step

from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.report import render_report
from trainlint.runtime_checks.sparkline import ASCII, BLOCKS, WIDTH, sparkline


def test_from_least_to_greatest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == BLOCKS
    assert sparkline([7, 0], ASCII) == "#_"
    assert sparkline([2.0, 2.0]) == "▁▁"


def test_a_long_series_is_averaged() -> None:
    drawn = sparkline([1.0] * 500 + [3.0] * 500)
    assert len(drawn) <= WIDTH
    assert drawn[0] == "▁"
    assert drawn[-1] == "█"


def test_what_lies_far_apart_is_drawn_by_its_logarithm() -> None:
    assert sparkline([1.0, 10.0, 100.0, 1000.0]) == "▁▃▆█"
    assert sparkline([-1.0, 10.0, 1000.0]) == "▁▁█"


def test_what_is_no_number_is_marked() -> None:
    assert sparkline([1.0, 2.0, math.nan, math.inf]) == "▁█!!"
    assert sparkline([math.nan]) == "!"


def test_a_report_draws_losses_norms_and_rates() -> None:
    run = ordinary()
    text = render_report(run, judge(run), "", blocks=ASCII)
    lines = {line[:15].strip() if "to" in line else line: line for line in text.splitlines()}
    assert lines["loss"].endswith(", training")
    assert "2 to 0.408" in lines["loss"]
    assert " #" in lines["gradient norm"]
    assert "learning rate  0.1 throughout" in lines


def test_a_report_names_the_largest_tensors() -> None:
    run = new_run()
    for at in range(5):
        step(run, norms=[1.0, 9.0 - at, 0.1, math.nan if at == 3 else 0.2])
    text = render_report(run, judge(run), "")
    at = text.index("largest norms")
    rows = [line[15:] for line in text[at:].splitlines()[:3]]
    assert rows == ["b.bias    0.2 to 0.2, peak nan", "a.bias    9 to 5, peak 9",
                    "a.weight  1 to 1, peak 1"]  # fmt: skip
