"""Which steps are looked at closely, and what the record keeps of the others."""

from __future__ import annotations

import json
import math
from pathlib import Path

from trainlint.runtime_checks.record import dump_line, parse_lines
from trainlint.runtime_checks.record.training import Step, Stride
from trainlint.runtime_checks.run import build_run, read_record
from trainlint.runtime_checks.runner import Options, observe
from trainlint.runtime_checks.window import (
    ALARM_STEPS,
    ALARMS,
    EVERY,
    EVERY_LATE,
    LATE,
    WHOLE,
    Window,
)

LOOP = """
import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(16, 4), torch.randn(16, 1)
for step in range(60):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    if step == 41:
        loss = loss * 1e6
    loss.backward()
    optimizer.step()
"""


def opened(losses: list[float]) -> list[int]:
    """The steps that are looked at, of a run with these losses."""
    window = Window()
    found = []
    for step, loss in enumerate(losses):
        window.see(loss)
        if window.is_open:
            found.append(step)
        window.stepped(step + 1)
    return found


def usual(steps: int) -> list[int]:
    every = {step: EVERY if step < LATE else EVERY_LATE for step in range(steps)}
    return [step for step in range(steps) if step < WHOLE or step % every[step] == 0]


def test_the_first_steps_and_then_some() -> None:
    assert opened([1.0] * 2000) == usual(2000)
    assert len(usual(10_000)) < 300


def test_every_turn_of_optimizers_that_alternate_is_met() -> None:
    for turns in (2, 3, 4, 5, 6, 8):
        assert {step % turns for step in usual(400) if step >= WHOLE} == set(range(turns))


def test_a_loss_far_from_all_before_opens_it() -> None:
    losses = [1.0] * 100
    losses[51] = 2.5
    assert opened(losses) == sorted({*usual(100), *range(51, 51 + ALARM_STEPS)})


def test_a_loss_that_is_no_number_opens_it() -> None:
    losses = [1.0] * 50 + [math.nan] + [1.0] * 20
    assert opened(losses) == sorted({*usual(71), *range(50, 50 + ALARM_STEPS)})


def test_one_that_always_falls_and_rises_does_not_keep_it_open() -> None:
    losses = [1.0] * WHOLE + [10.0**step for step in range(1, 5)] * 500
    extra = set(opened(losses)) - set(usual(len(losses)))
    assert len(extra) <= ALARMS * ALARM_STEPS


def test_probes_are_told_as_often_as_it_turns() -> None:
    window, heard = Window(), []
    window.watch(lambda: heard.append("open"), lambda: heard.append("closed"))
    for step in range(1, 2 * EVERY + 2):
        window.stepped(step)
    assert heard == ["open", "closed", "open", "closed"]


def test_what_follows_the_script_is_open_while_it_does_something_else() -> None:
    window, heard = Window(), []
    window.follow(lambda: heard.append("open"), lambda: heard.append("closed"))
    for step in range(1, WHOLE + 1):
        window.stepped(step)
    window.stir()
    window.stir()
    window.stepped(WHOLE + 1)
    assert heard == ["open", "closed", "open", "closed"]


def test_steps_that_are_alike_are_one_line(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LOOP)
    record = tmp_path / "record.jsonl"
    run = observe(script, [], Options(), record=record)
    assert [step.step for step in run.steps] == [step.own for step in run.steps] == [*range(60)]
    looked = [step.step for step in run.steps if step.norm is not None]
    assert looked == sorted({*usual(60), *range(41, 41 + ALARM_STEPS)})
    assert all(step.loss and step.lrs == [0.01] and step.with_grad == 2 for step in run.steps)
    kinds = [json.loads(line)["kind"] for line in record.read_text().splitlines()]
    assert kinds.count("step") == len(looked)
    assert 0 < kinds.count("stride") < 60 - len(looked)


def test_strides_of_two_optimizers_come_back_in_order() -> None:
    def stride(optimizer: int, steps: list[int]) -> Stride:
        size = len(steps)
        return Stride(optimizer, 0, None, 1, 1, False, 1, False, 0, steps, [0.0] * size,
                      [[0.1]] * size, [1.0, *[math.nan] * (size - 1)])  # fmt: skip

    lines = [stride(1, [0, 2, 4]), stride(2, [1, 3])]
    run = build_run(parse_lines(map(dump_line, lines)))
    assert [(step.step, step.optimizer, step.own) for step in run.steps] == [
        (0, 1, 0), (1, 2, 0), (2, 1, 1), (3, 2, 1), (4, 1, 2)]  # fmt: skip
    assert isinstance(run.steps[0], Step)
    assert math.isnan(run.steps[4].loss or 0.0)


def test_a_script_that_is_killed_leaves_the_steps_before(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    killed = "    if step == 50:\n        import os, time\n        time.sleep(0.3)\n"
    killed += "    if step == 51:\n        os.kill(os.getpid(), 9)\n"
    script.write_text(LOOP + killed)
    record = tmp_path / "record.jsonl"
    run = observe(script, [], Options(), record=record)
    assert run.end is not None
    assert run.end.reason == "killed"
    assert len(read_record(record).steps) >= 50
