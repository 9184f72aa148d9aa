"""The runner survives whatever a script does, and says what it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainlint.runtime_checks import following, runner
from trainlint.runtime_checks.record import End, Start
from trainlint.runtime_checks.run import Run, read_record
from trainlint.runtime_checks.runner import Options, RunnerError, observe

TRAIN = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
"""


@dataclass(frozen=True)
class Outcome:
    """A run, and what its script printed."""

    run: Run
    out: bytes

    @property
    def end(self) -> End:
        assert self.run.end is not None
        return self.run.end


Runs = Callable[..., Outcome]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Write a script and observe it."""

    def start(code: str, *arguments: str, **options: object) -> Outcome:
        script = tmp_path / "train.py"
        script.write_text(textwrap.dedent(code))
        printed = tmp_path / "printed"
        with printed.open("wb") as file:
            run = observe(
                script,
                arguments,
                Options(**options),  # type: ignore[arg-type]
                record=tmp_path / "record.jsonl",
                stdout=file,
            )
        assert read_record(tmp_path / "record.jsonl").end == run.end
        return Outcome(run, printed.read_bytes())

    return start


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop what hangs after a second, and wait only shortly for it to end by itself."""
    monkeypatch.setattr(runner, "HUNG_AFTER", 1.0)
    monkeypatch.setattr(following, "PATIENCE", 0.5)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_it_runs_to_its_end_with_its_own_arguments(runs: Runs, tmp_path: Path) -> None:
    done = runs(
        "import sys, os\nprint(sys.argv[1:], __name__, sys.path[0] == os.path.dirname(__file__))",
        "--lr", "0.1", "-m", "",
    )  # fmt: skip
    assert done.out == b"['--lr', '0.1', '-m', ''] __main__ True\n"
    assert (done.end.reason, done.end.status, done.end.steps) == ("finished", 0, 0)
    assert done.run.start is not None
    assert done.run.start.script == str(tmp_path / "train.py")
    assert done.run.start.argv == ["--lr", "0.1", "-m", ""]


@pytest.mark.parametrize(
    ("code", "status"),
    [("sys.exit()", 0), ("sys.exit(3)", 3), ("sys.exit('bad luck')", 1), ("raise SystemExit", 0)],
)
def test_sys_exit(runs: Runs, code: str, status: int) -> None:
    end = runs(f"import sys\n{code}\n").end
    assert (end.reason, end.status) == ("exit", status)


def test_a_name_error_is_told_with_its_line(
    runs: Runs, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = runs("def build():\n    return Net2()\n\n\nbuild()\n")
    raised = done.run.raised
    assert raised is not None
    assert (raised.type, raised.name) == ("builtins.NameError", "Net2")
    assert [(frame.line, frame.function) for frame in raised.frames] == [
        (5, "<module>"),
        (2, "build"),
    ]
    assert (done.end.reason, done.end.status) == ("raised", 1)
    printed = capfd.readouterr().err
    assert printed.startswith("Traceback (most recent call last):\n")
    assert printed.endswith("NameError: name 'Net2' is not defined\n")
    assert "runtime_checks" not in printed


def test_what_was_measured_before_the_exception_is_kept(runs: Runs) -> None:
    done = runs(TRAIN + "train(7)\nraise RuntimeError('shapes differ')\n")
    assert len(done.run.steps) == 7
    assert done.run.raised is not None
    assert (done.run.raised.step, done.run.raised.text) == (7, "shapes differ")


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        ("os._exit(0)", "vanished", 0),
        ("os._exit(7)", "vanished", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed", -signal.SIGSEGV),
        ("import ctypes; ctypes.string_at(1)", "killed", -signal.SIGSEGV),
        ("os.abort()", "killed", -signal.SIGABRT),
        ("os.kill(os.getpid(), signal.SIGTERM)", "killed", -signal.SIGTERM),
    ],
)
def test_a_process_that_is_gone(runs: Runs, code: str, reason: str, status: int) -> None:
    end = runs(f"import os, signal, resource\nresource.setrlimit(4, (0, 0))\n{code}\n").end
    assert (end.reason, end.status) == (reason, status)


def test_steps_before_a_kill_are_kept(runs: Runs) -> None:
    done = runs(TRAIN + "train(5)\nimport os\nos.kill(os.getpid(), 9)\n")
    assert (done.end.reason, done.end.steps, len(done.run.steps)) == ("killed", 5, 5)


def test_the_budget_of_steps(runs: Runs) -> None:
    done = runs(TRAIN + "train(1000)\nprint('not reached')\n", max_steps=12)
    assert (done.end.reason, done.end.steps, len(done.run.steps)) == ("steps", 12, 12)
    assert done.out == b""


def test_an_endless_loop_ends_with_its_time(runs: Runs) -> None:
    began = time.monotonic()
    done = runs("n = 0\nwhile True:\n    n += 1\n", max_seconds=1.0)
    assert done.end.reason == "seconds"
    assert time.monotonic() - began < 10


def test_a_script_that_swallows_its_end_is_left(runs: Runs) -> None:
    code = (
        TRAIN + "while True:\n    try:\n        train(1)\n    except BaseException:\n        pass\n"
    )
    done = runs(code, max_steps=5)
    assert done.end.reason == "steps"
    assert len(done.run.steps) in (5, 6)  # the one that it takes after it swallowed the end


@pytest.mark.usefixtures("impatient")
def test_a_process_that_hangs_is_stopped(runs: Runs) -> None:
    # A stopped process runs no watchdog of its own.
    done = runs("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n", max_seconds=1.0)
    assert done.end.reason == "hung"


@pytest.mark.usefixtures("impatient")
def test_one_that_hangs_and_ignores_all_that_can_be_ignored(runs: Runs) -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
        "while True: pass\n"
    )
    done = runs(code, max_seconds=1.0)
    assert (done.end.reason, done.end.status) in (("hung", -signal.SIGKILL), ("seconds", 0))


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_stays_does_not_hold_the_run(runs: Runs) -> None:
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    began = time.monotonic()
    assert runs(code).end.reason == "finished"
    assert time.monotonic() - began < 10


def test_what_it_started_ends_with_it(runs: Runs) -> None:
    code = """
        import os, subprocess, sys
        kept = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(kept.pid, flush=True)
        forked = os.fork()
        if not forked:
            import time
            time.sleep(60)
        print(forked, flush=True)
        os.kill(os.getpid(), 9)
        """
    done = runs(code)
    pids = [int(word) for word in done.out.split()]
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(map(alive, pids))


def test_a_fork_writes_nothing_into_the_record(runs: Runs) -> None:
    code = TRAIN + (
        "import os\n"
        "pid = os.fork()\n"
        "train(3)\n"
        "if pid:\n"
        "    os.waitpid(pid, 0)\n"
        "else:\n"
        "    raise ValueError('in the fork')\n"
    )
    done = runs(code)
    assert [step.step for step in done.run.steps] == [0, 1, 2]
    assert done.run.raised is None
    assert done.end.reason == "finished"


def test_output_passes_through_as_it_is(runs: Runs) -> None:
    code = """
        import sys
        sys.stdout.buffer.write(b"\\xff\\xfe\\x00\\r\\n")
        sys.stdout.buffer.write(b"x" * 3_000_000)
        print("\\u2028{\\"kind\\": \\"end\\"}")
        """
    done = runs(code)
    assert done.out == b"\xff\xfe\x00\r\n" + b"x" * 3_000_000 + '\u2028{"kind": "end"}\n'.encode()
    assert done.end.reason == "finished"


def test_a_closed_output_is_the_scripts_own_affair(runs: Runs) -> None:
    done = runs("import sys, os\nos.close(1)\nos.close(2)\nsys.exit(4)\n")
    assert (done.end.reason, done.end.status) == ("exit", 4)


def test_a_folder_change_and_a_changed_environment(runs: Runs) -> None:
    code = "import os\nos.chdir('/')\nos.environ.clear()\nassert __file__\nopen(__file__).close()\n"
    assert runs(code).end.reason == "finished"


def test_cpu_hides_the_gpus_and_leaves_the_rest(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    code = "import os\nprint(repr(os.environ.get('CUDA_VISIBLE_DEVICES')))\n"
    assert runs(code).out == b"'3'\n"
    assert runs(code, device="cpu").out == b"''\n"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert runs(code).out == b"None\n"


def test_a_script_that_cannot_be_compiled(runs: Runs) -> None:
    raised = runs("x = 1\nprint 'hello'\n").run.raised
    assert raised is not None
    assert raised.type == "builtins.SyntaxError"
    assert raised.frames[-1].line == 2


@pytest.mark.parametrize("name", ["json", "signal", "trainlint", "lint", "types", "torch_utils"])
def test_files_of_the_working_folder_do_not_shadow_ours(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    monkeypatch.chdir(elsewhere)
    assert runs("print('fine')").out == b"fine\n"


def test_a_trainlint_on_the_path_does_not_shadow_ours(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "trainlint.py").write_text("raise RuntimeError('the wrong one')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    assert runs("print('fine')").out == b"fine\n"


def test_the_scripts_neighbours_are_imported_as_ever(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "lint.py").write_text("own = True\n")
    (tmp_path / "runtime_checks.py").write_text("own = True\n")
    done = runs("import lint, runtime_checks\nprint(lint.own, runtime_checks.own)\n")
    assert done.out == b"True True\n"


def test_data_workers_work_and_end(runs: Runs) -> None:
    code = """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        if __name__ == "__main__":
            data = TensorDataset(torch.arange(8.0).unsqueeze(1))
            for method in ("fork", "spawn"):
                loader = DataLoader(data, 4, num_workers=1, multiprocessing_context=method)
                print(sum(batch.sum().item() for (batch,) in loader))
        """
    done = runs(code)
    assert done.out.split() == [b"28.0", b"28.0"]
    assert [one.length for one in done.run.passes] == [2, 2]


def test_without_torch_it_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    script = tmp_path / "train.py"
    script.write_text("open('ran', 'w')\n")
    with pytest.raises(RunnerError, match=r"pip install 'torch-trainlint\[run\]'"):
        observe(script, [], Options(), record=tmp_path / "record.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_a_child_that_cannot_start_is_an_error(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_BOOTSTRAP", "raise SystemExit(9)")
    with pytest.raises(RunnerError, match="status 9 before the script began"):
        runs("print()")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(RunnerError, match="could not be started"):
        runs("print()")


def test_lines_are_handed_on_as_they_come(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TRAIN + "train(3)\n")
    seen: list[object] = []
    run = observe(script, [], Options(), record=tmp_path / "r", progress=seen.append)
    assert isinstance(seen[0], Start)
    assert [line for line in seen if line in run.steps] == run.steps
    assert seen[-1] == run.end


def test_an_error_of_the_callers_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import time\ntime.sleep(60)\n")
    processes = []

    class Spy(following.Watched):
        def _wait(self, process: subprocess.Popen[bytes]) -> None:
            processes.append(process)
            super()._wait(process)

    def fail(line: object) -> None:
        raise BrokenPipeError

    watched = Spy(tmp_path / "record.jsonl", fail)
    (tmp_path / "record.jsonl").write_text('{"kind": "note", "text": "a line"}\n')
    with pytest.raises(BrokenPipeError):
        watched.follow([sys.executable, str(script)], seconds=60)
    assert processes[0].returncode == -signal.SIGKILL


# -- signals ----------------------------------------------------------------------------------

_DRIVER = """
import sys
from pathlib import Path
from trainlint.runtime_checks.runner import Options, observe
run = observe(Path(sys.argv[1]), [], Options(max_seconds=30.0), record=Path(sys.argv[2]))
print("ended", run.end.reason, flush=True)
"""


def _driven(tmp_path: Path, code: str, *numbers: int) -> tuple[int, str, bool]:
    """Observe a script from a process of its own, and signal that once the script is ready."""
    script = tmp_path / "train.py"
    script.write_text("import os, signal, time\n" + textwrap.dedent(code))
    command = [sys.executable, "-c", _DRIVER, str(script), str(tmp_path / "record.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.3)
        rest = process.stdout.read()
        status = process.wait(timeout=20)
    return status, rest, alive(pid)


READY = "print(os.getpid(), flush=True)\n"


def test_ctrl_c_ends_both(tmp_path: Path) -> None:
    status, rest, left = _driven(tmp_path, READY + "time.sleep(60)", signal.SIGINT)
    assert (status, rest, left) == (0, "ended interrupted\n", False)


def test_a_script_that_handles_ctrl_c_may_tidy_up(tmp_path: Path) -> None:
    code = """
        try:
            print(os.getpid(), flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print('saved', flush=True)
        """
    status, rest, left = _driven(tmp_path, code, signal.SIGINT)
    assert (status, rest, left) == (0, "saved\nended interrupted\n", False)


def test_a_second_ctrl_c_ends_one_that_does_not_listen(tmp_path: Path) -> None:
    code = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + READY + "time.sleep(60)"
    status, rest, left = _driven(tmp_path, code, signal.SIGINT, signal.SIGINT)
    assert (status, rest, left) == (0, "ended interrupted\n", False)


def test_one_that_does_not_listen_is_ended_soon(tmp_path: Path) -> None:
    code = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + READY + "time.sleep(60)"
    began = time.monotonic()
    status, rest, left = _driven(tmp_path, code, signal.SIGINT)
    assert (status, rest, left) == (0, "ended interrupted\n", False)
    assert time.monotonic() - began < 20


def test_sigterm_ends_both(tmp_path: Path) -> None:
    status, rest, left = _driven(tmp_path, READY + "time.sleep(60)", signal.SIGTERM)
    assert (status, rest, left) == (128 + signal.SIGTERM, "", False)


def test_standard_input_is_the_scripts(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import sys\nprint(input() + '|' + sys.stdin.read())\n")
    command = [sys.executable, "-c", _DRIVER, str(script), str(tmp_path / "record.jsonl")]
    done = subprocess.run(
        command, input="first\nrest", capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "first|rest\nended finished\n"
