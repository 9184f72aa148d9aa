"""The run half as a library: `watch` around a loop of one's own, `fit` for those without one."""

from __future__ import annotations

import linecache
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trainlint.finding import Finding
from trainlint.lint.problem import Unreadable
from trainlint.lint.source import Source
from trainlint.pairing import pair
from trainlint.reporters.text import render_text
from trainlint.runtime_checks.board import write_board
from trainlint.runtime_checks.budget import Budget, Stopped
from trainlint.runtime_checks.curves import RunCurve, run_curves
from trainlint.runtime_checks.detection import Judgement, judge
from trainlint.runtime_checks.install import watching
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.raising import raised_by
from trainlint.runtime_checks.record import End, Line, Start, dump_line
from trainlint.runtime_checks.report import render_report
from trainlint.runtime_checks.run import Run, build_run
from trainlint.runtime_checks.session import Session
from trainlint.suppress import suppress

MAX_STEPS = 300
MAX_SECONDS = 60.0


class Watched:
    """What was seen of a loop: complete once the watching has ended."""

    def __init__(self) -> None:
        self._lines: list[Line] = []

    def __repr__(self) -> str:
        return f"<{outcome_line(self.run)}: {len(self.findings)} findings; see report()>"

    def add(self, line: Line) -> None:
        """Take in one line of the record."""
        self._lines.append(line)
        self.__dict__.pop("run", None)

    @cached_property
    def run(self) -> Run:
        """The measurements until now."""
        return build_run(self._lines)

    @property
    def findings(self) -> list[Finding]:
        """What went wrong, the worst first; lines with a suppression comment are left out."""
        found = pair([], self._judgement, self.run)
        return suppress(found, _sources(found))

    @property
    def curves(self) -> list[RunCurve]:
        """Losses by phase, gradient norms, update ratios and learning rates, by optimizer step."""
        return run_curves(self.run)

    def report(self, *, color: bool = False) -> str:
        """The text that `trainlint run` prints."""
        findings, judgement = self.findings, self._judgement
        text = render_text(findings, _sources(findings), color=color)
        short = "" if findings or not judgement.too_few else f"\n{judgement.too_few}\n"
        return render_report(self.run, judgement, text, color=color) + short

    def write_log(self, log_dir: str | Path) -> None:
        """Leave a TensorBoard log; raises `trainlint.runtime_checks.board.BoardError`."""
        with TemporaryDirectory(prefix="trainlint-") as folder:
            record = Path(folder, "record.jsonl")
            record.write_text("".join(map(dump_line, self._lines)), encoding="utf-8")
            write_board(record, Path(log_dir), self.findings)

    @property
    def _judgement(self) -> Judgement:
        return judge(self.run)


def watch(
    *, max_steps: int | None = None, max_seconds: float | None = None
) -> AbstractContextManager[Watched]:
    """Watch the training that happens inside the `with` block.

    With a bound, of optimizer steps or of seconds, the block is left once that is reached, and
    long passes over a DataLoader are cut short so that several are seen. Without one the loop runs
    as it would. What the block raises is noted and raised on.
    """
    return _watch(sys._getframe(1).f_globals, _budget(max_steps, max_seconds))


def fit(
    model: Any,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    training_loader: Iterable[Any],
    evaluation_loader: Iterable[Any] | None = None,
    *,
    device: Any = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    norm: str | None = None,
    max_steps: int = MAX_STEPS,
    max_seconds: float = MAX_SECONDS,
) -> Watched:
    """Train a model for a short while, watched: a loop for those who have none yet.

    A batch is a pair of inputs and targets; inputs are a tensor, or a tuple or mapping of the
    model's arguments, and `loss(model(inputs), targets)` is a scalar. The model is evaluated after
    each pass, is trained in place, and moves to `device` if one is given. `norm` is "spectral" or
    "weight": torch's parametrization of the layers that the optimizer trains.

    Raises what the model, the loss or the loaders raise, TypeError for a batch that is no pair, and
    ValueError for a norm that cannot be applied.
    """
    from trainlint.runtime_checks.loop import Loop, device_of

    place = device if device is not None else device_of(model)
    loop = Loop(
        model, loss, optimizer, training_loader, evaluation_loader, place, clip_norm, clip_value
    )
    budget = Budget(max_steps, max_seconds)
    watched = Watched()
    session = Session(watched.add, budget)
    with _ending(session, sys._getframe(1).f_code.co_filename):
        if norm is not None:
            loop.apply_norm(norm, session)
        loop.run(session, budget)
    return watched


def _budget(max_steps: int | None, max_seconds: float | None) -> Budget | None:
    if max_steps is None and max_seconds is None:
        return None
    return Budget(max_steps or sys.maxsize, max_seconds or math.inf)


@contextmanager
def _watch(around: dict[str, Any], budget: Budget | None) -> Iterator[Watched]:
    watched = Watched()
    with _ending(Session(watched.add, budget), around.get("__file__") or "<notebook>", around):
        yield watched


@contextmanager
def _ending(session: Session, path: str, around: dict[str, Any] | None = None) -> Iterator[None]:
    """Watch, and note how it ended; the budget's own end is no error."""
    budget = session.budget
    start = Start(
        script=path,
        argv=[],
        torch=str(getattr(sys.modules.get("torch"), "__version__", "")),
        python=sys.version.split()[0],
        device="",
        max_steps=budget.max_steps if budget else 0,
        max_seconds=budget.max_seconds if budget else 0.0,
    )
    session.begin(start)
    reason = "left"
    try:
        with watching(session, around=around):
            yield
    except Stopped as stopped:
        reason = stopped.reason
    except KeyboardInterrupt:
        reason = "interrupted"
        raise
    except BaseException as error:
        reason = "raised"
        session.emit(raised_by(error, session.step))
        raise
    finally:
        session.emit(End(reason, session.step, session.seconds))


def _sources(findings: Iterable[Finding]) -> dict[str, Source]:
    """The files, or notebook cells, of the findings, as Python remembers them."""
    sources = {}
    for path in {finding.location.path for finding in findings}:
        try:
            text = "".join(linecache.getlines(path))
            sources[path] = Source.of_bytes(path, text.encode())
        except (Unreadable, UnicodeError):
            continue  # the finding is shown without its line
    return sources
