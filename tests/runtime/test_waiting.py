"""Scripts that wait: for ever, or only for long."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command import trainlint
from watched import OFFSET, watch, write

from trainlint.runtime_checks import places, waiting
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.waiting import Work, is_long_idle, standing

LOOP = """
import queue, time
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
def train(steps=1):
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 2)).pow(2).mean().backward()
        optimizer.step()
"""


def test_a_deadlock_is_found_at_the_line_that_waits(tmp_path: Path) -> None:
    script = write(tmp_path, LOOP + "train(12)\nqueue.Queue().get()\n")
    done = trainlint("run", script, "--max-seconds", "25", "--output-format", "concise")
    assert done.returncode == 1, done.stdout + done.stderr
    line = OFFSET + LOOP.count("\n") + 1  # the leading line end is gone
    assert f"train.py:{line}:1: RUN002 [script-killed] the script hangs after 12" in done.stdout
    assert f"it waits at line {line} (in queue.get)" in done.stdout
    assert "All clear" not in done.stdout


def test_steps_that_are_slow_are_no_hang(tmp_path: Path) -> None:
    told = watch(tmp_path, LOOP + "while True:\n    train()\n    time.sleep(2.5)\n", max_seconds=20)
    assert told.codes in ([], ["RUN003"])  # the machine may be too slow for a step
    assert told.run.end is not None
    assert told.run.end.reason == "seconds"


def test_where_a_thread_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(places._paths, __file__, __file__)
    items: queue.Queue[int] = queue.Queue()
    waits = threading.Thread(target=lambda: items.get())
    waits.start()
    try:
        deadline = time.monotonic() + 10
        while not standing(waits.ident or 0).inside and time.monotonic() < deadline:
            time.sleep(0.01)
        at = standing(waits.ident or 0)
    finally:
        items.put(1)
        waits.join()
    assert at.site is not None
    assert (at.site.path, at.inside) == (__file__, "threading.wait") or at.inside == "queue.get"
    assert standing(0).site is None


@pytest.mark.parametrize(
    ("pauses", "idle", "long"),
    [([], 4.0, False), ([], 6.0, True), ([0.1], 6.0, True), ([2.0], 6.0, False), ([2.0], 11, True)],
)
def test_a_pause_is_long_by_those_before(
    pauses: list[float], idle: float, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    session = Session(lambda line: None)
    now += 30.0  # imports
    session.step = 1
    session._beaten = now
    for pause in pauses:
        now += pause
        session.beat()
    now += idle
    assert is_long_idle(session) is long


def test_before_the_first_step_nothing_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(lambda line: None)
    monkeypatch.setattr(session, "_beaten", time.monotonic() - 1000)
    assert not is_long_idle(session)


def test_a_process_that_works_is_told_from_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # Beside it, other tests are at work.
    monkeypatch.setattr(waiting, "_used_by_others", lambda: 0.0)
    work = Work()
    time.sleep(0.3)
    assert work.is_quiet()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    assert not work.is_quiet()


def test_work_of_another_process_counts(tmp_path: Path) -> None:
    """Measured from within a session of its own, where nothing else is at work."""
    code = r"""
import subprocess, sys, time
from trainlint.runtime_checks.waiting import Work
busy = "import time\nwhile time.process_time() < 20: pass"
child = subprocess.Popen([sys.executable, "-c", busy])
time.sleep(1)
work = Work()
time.sleep(1.5)
print(work.is_quiet())
child.kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == ("False\n" if Path("/proc/self/stat").exists() else "True\n")
