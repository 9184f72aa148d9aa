"""Detectors of mixed precision; and the probe that they rest on."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_builder import SCRIPT, found, ordinary, reason, state
from watched import watch

from trainlint.runtime_checks.record import Autocast, Raised, Scalers, Site
from trainlint.runtime_checks.run import Run

MADE, SCALED, STEPPED = (Site(SCRIPT, line) for line in (12, 20, 22))


def cast(*lines: Autocast) -> Run:
    run = ordinary()
    run.autocasts.extend(lines)
    return run


def region(low: int, high: int, outside: int, entries: int = 40, line: int = 16) -> Autocast:
    return Autocast(40, Site(SCRIPT, line), "cpu", entries, low, high, outside)


def test_a_region_that_holds_no_layer_is_found_at_its_line() -> None:
    (finding,) = found(cast(region(0, 0, 2, 8), region(0, 0, 60)), "RUN206")
    assert finding.location.line == 16
    assert "all run outside" in finding.message
    assert "float32 inside" in found(cast(region(0, 60, 0)), "RUN206")[0].message


@pytest.mark.parametrize(
    ("run", "ended"),
    [
        (cast(region(40, 0, 0)), "passed"),
        (cast(region(10, 0, 60)), "passed"),  # a part of the model
        (cast(region(0, 0, 60, entries=2)), "not triggered"),
        (cast(region(0, 0, 0)), "not triggered"),  # no layer of torch's own
        (cast(), "not triggered"),
    ],
)
def test_regions_that_do_their_work(run: Run, ended: str) -> None:
    assert state(run, "RUN206") == ended


def scaled(made: int = 1, scales: int = 40, steps: int = 40, updates: int = 40) -> Run:
    run = ordinary()
    stepped = STEPPED if steps else None
    run.scalers.append(Scalers(40, MADE, made, scales, steps, updates, SCALED, stepped))
    return run


def test_a_scaler_that_only_scales_is_found_where_it_does() -> None:
    (finding,) = found(scaled(steps=0, updates=0), "RUN207")
    assert finding.location.line == SCALED.line
    assert "step() and update() are never called" in finding.message


def test_a_scaler_for_each_batch_is_found_where_it_is_made() -> None:
    (finding,) = found(scaled(made=40), "RUN207")
    assert finding.location.line == MADE.line


def test_a_second_step_that_raised_is_explained() -> None:
    run = scaled(scales=2, steps=2, updates=0)
    assert "saw 2" in reason(run, "RUN207")
    text = "step() has already been called since the last update()."
    run.raised = Raised(1, "RuntimeError", text, [])
    assert found(run, "RUN207")[0].location.line == STEPPED.line


@pytest.mark.parametrize(
    "run", [scaled(), scaled(scales=160), scaled(made=10, scales=400), scaled(updates=1)]
)
def test_scalers_that_are_updated_pass(run: Run) -> None:
    assert state(run, "RUN207") == "passed"


def test_what_is_called_is_counted(tmp_path: Path) -> None:
    told = watch(
        tmp_path,
        """
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        off = torch.amp.GradScaler("cpu", enabled=False)
        for index in range(30):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = model(torch.randn(8, 4))
            loss = off.scale(out.float().square().mean())
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                model(torch.randn(8, 4))
        """,
    )
    (scalers,) = {one.site: one for one in told.run.scalers}.values()
    assert (scalers.made, scalers.scales, scalers.steps, scalers.updates) == (1, 30, 30, 30)
    (last,) = {one.site: one for one in told.run.autocasts}.values()
    assert (last.entries, last.low, last.high, last.outside) == (30, 42, 0, 0)
    assert not told.codes
