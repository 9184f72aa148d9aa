"""Runs made by hand, for the tests of what judges them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainlint.finding import Finding
from trainlint.runtime_checks.detection import Judgement, Outcome, judge
from trainlint.runtime_checks.record import (
    Backward,
    Clip,
    End,
    Evaluation,
    Log,
    ModelInfo,
    OptimizerInfo,
    ParameterInfo,
    Pass,
    Site,
    Start,
    Step,
)
from trainlint.runtime_checks.run import Run

SCRIPT = "/home/me/train.py"
BACKWARD, CLIP, STEP, EVALUATE, LOG = (Site(SCRIPT, line) for line in (20, 21, 22, 30, 25))
MADE = Site(SCRIPT, 10)


def new_run(*optimizers: str, reason: str = "finished") -> Run:
    """A run of one model `Net` (a, b, each a weight and a bias) and SGD over it, or those named."""
    parameters = [
        ParameterInfo(name, [4, 4], "Linear", True, Site(SCRIPT, line))
        for name, line in (("a.weight", 5), ("a.bias", 5), ("b.weight", 6), ("b.bias", 6))
    ]
    names = [parameter.name for parameter in parameters]
    return Run(
        start=Start(SCRIPT, [], "2.13.0", "3.11", "cpu", 500, 60.0),
        end=End(reason, 0, 1.0),
        models={1: ModelInfo(1, "Net", Site(SCRIPT, 9), parameters)},
        optimizers={
            number: OptimizerInfo(number, name, MADE, names, [1])
            for number, name in enumerate(optimizers or ("SGD",), 1)
        },
        lines={SCRIPT: set(range(1, 31))},
    )


def step(run: Run, norm: float | None = 1.0, loss: float | None = 1.0, **changed: object) -> Step:
    """Add one ordinary step with its backward; any field can be changed."""
    number = len(run.steps)
    optimizer = changed.get("optimizer", 1)
    values: dict[str, object] = {
        "step": number,
        "own": len(run.steps_of(optimizer)),  # type: ignore[arg-type]
        "optimizer": optimizer,
        "site": STEP,
        "seconds": 0.01 * number,
        "lrs": [0.1],
        "loss": loss,
        "norm": norm,
        "norm_after": norm,
        "norms": None,
        "with_grad": 4,
        "total": 4,
        "stale": False,
        "backwards": 1,
        **changed,
    }
    made = Step(**values)  # type: ignore[arg-type]
    run.backwards += [Backward(number, BACKWARD, loss) for _ in range(made.backwards)]
    run.steps.append(made)
    return made


def train(run: Run, norms: Sequence[float | None], losses: Sequence[float] | None = None) -> Run:
    """Add a step for each norm, with that loss, or one that falls from 2."""
    for norm, loss in zip(norms, losses or itertools.count(0), strict=False):
        step(run, norm, loss if losses else 2 / (1 + 0.1 * loss))
    return run


def ordinary(steps: int = 40) -> Run:
    """A healthy run: norms and losses fall, with some noise."""
    noise = random.Random(1)
    return train(new_run(), [3 / (1 + 0.1 * i) * noise.uniform(0.8, 1.2) for i in range(steps)])


def clip(run: Run, norm: float | None = 5.0, limit: float = 1.0, **changed: object) -> None:
    """Add a clipping call before the next step."""
    values: dict[str, object] = {
        "step": len(run.steps),
        "site": CLIP,
        "how": "norm",
        "limit": limit,
        "norm": norm,
        "tensors": 4,
        "optimizers": [1],
        **changed,
    }
    run.clips.append(Clip(**values))  # type: ignore[arg-type]


def evaluate(run: Run, loss: float, site: Site = EVALUATE) -> None:
    """Add an evaluation after the steps so far."""
    run.evaluations.append(Evaluation(len(run.steps), site, loss, 4, [1], False, 0))


def epochs(
    training: Sequence[float], evaluation: Sequence[float], steps: int = 5, run: Run | None = None
) -> Run:
    """Epochs of a few steps with one training loss each, and an evaluation at the end of each."""
    run = run or new_run()
    for train_loss, evaluation_loss in zip(training, evaluation, strict=True):
        begin_pass(run)
        train(run, [1.0] * steps, [train_loss] * steps)
        evaluate(run, evaluation_loss)
    return run


def begin_pass(run: Run, training: bool = True) -> None:
    """A pass over the training data begins."""
    run.passes.append(Pass(len(run.steps), Site(SCRIPT, 18), 1, 5, 8, training))


def log(run: Run, number: int | None, tag: str = "loss", site: Site = LOG, writer: int = 1) -> None:
    """Add one logged value."""
    run.logs.append(Log(len(run.steps), site, tag, number, writer))


def logged(steps: int, number: Callable[[int], int | None], length: int = 5) -> Run:
    """A run that logs after each step; passes of `length` steps."""
    run = new_run()
    for index in range(steps):
        if index % length == 0:
            begin_pass(run)
        step(run)
        log(run, number(index))
    return run


def outcome(judgement: Judgement, code: str) -> Outcome:
    """How one detector ended."""
    return next(one for one in judgement.outcomes if one.code == code)


def found(run: Run, code: str) -> list[Finding]:
    """What one detector found."""
    return [finding for finding in judge(run).findings if finding.code == code]


def state(run: Run, code: str) -> str:
    """How one detector ended, in a word."""
    return outcome(judge(run), code).state.value


def reason(run: Run, code: str) -> str:
    """Why one detector was not triggered."""
    return outcome(judge(run), code).reason


def read_log(folder: Path) -> Any:
    """An accumulator over a TensorBoard log."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator
