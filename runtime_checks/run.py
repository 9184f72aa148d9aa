"""A whole record, sorted: what detectors and reports ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainlint.runtime_checks.record import (
    Activation,
    Autocast,
    Backward,
    BadInput,
    BatchOrder,
    Broadcast,
    Clip,
    Cut,
    Disturbed,
    DroppedOut,
    End,
    Evaluation,
    FrozenMoved,
    GraphEvaluation,
    Habits,
    Idle,
    Inputs,
    KeptGraphs,
    Line,
    Lines,
    LoaderInfo,
    Log,
    LossCall,
    Memory,
    ModelInfo,
    Moved,
    Movement,
    NonFinite,
    Note,
    NotFrozen,
    OptimizerInfo,
    Order,
    Origin,
    Outputs,
    Overlap,
    Pass,
    Raised,
    RestedTraining,
    Scalers,
    Schedule,
    SharedIndices,
    Start,
    Step,
    Stride,
    Stuck,
    TrialState,
    Unheld,
    Uniform,
    Waiting,
    parse_lines,
)


@dataclass
class Run:
    """A whole record, sorted by kind; what detectors ask."""

    start: Start | None = None
    end: End | None = None
    models: dict[int, ModelInfo] = field(default_factory=dict)
    optimizers: dict[int, OptimizerInfo] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    backwards: list[Backward] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    disturbed: list[Disturbed] = field(default_factory=list)
    unheld: list[Unheld] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    nonfinite: list[NonFinite] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    schedules: dict[int, Schedule] = field(default_factory=dict)
    rested: list[RestedTraining] = field(default_factory=list)
    dropped: list[DroppedOut] = field(default_factory=list)
    graph_evaluations: list[GraphEvaluation] = field(default_factory=list)
    origin: Origin | None = None  # of the second look at the run
    habits: Habits | None = None
    kept: list[KeptGraphs] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    loaders: dict[int, LoaderInfo] = field(default_factory=dict)
    inputs: list[Inputs] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)
    batch_orders: list[BatchOrder] = field(default_factory=list)
    bad_inputs: list[BadInput] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    shared_indices: list[SharedIndices] = field(default_factory=list)
    loss_calls: list[LossCall] = field(default_factory=list)
    broadcasts: list[Broadcast] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    stuck: list[Stuck] = field(default_factory=list)
    frozen_moved: list[FrozenMoved] = field(default_factory=list)
    not_frozen: list[NotFrozen] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    uniform: list[Uniform] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    autocasts: list[Autocast] = field(default_factory=list)
    scalers: list[Scalers] = field(default_factory=list)
    lines: dict[str, set[int]] = field(default_factory=dict)
    has_all_lines: bool = True  # False where others may have been run as well
    notes: list[str] = field(default_factory=list)
    raised: Raised | None = None
    trial: TrialState | None = None

    def add(self, line: Line) -> None:
        """Put one line where it belongs; of what can be told only once, the last one counts."""
        name, how = _PLACES[type(line)]
        how(self, name, line)

    def steps_of(self, optimizer: int) -> list[Step]:
        """The steps of one optimizer, in order."""
        return [step for step in self.steps if step.optimizer == optimizer]


def _append(run: Run, name: str, line: Any) -> None:
    getattr(run, name).append(line)


def _expand(run: Run, name: str, line: Any) -> None:
    steps = getattr(run, name)
    late = bool(steps) and steps[-1].step > line.steps[0]
    steps += line.expanded()
    if late:  # of another optimizer, some have been written already
        steps.sort(key=lambda step: step.step)


def _by_id(run: Run, name: str, line: Any) -> None:
    getattr(run, name)[line.id] = line


def _merge(run: Run, name: str, line: Any) -> None:
    getattr(run, name).setdefault(line.path, set()).update(line.lines)
    run.has_all_lines &= line.whole


def _add_text(run: Run, name: str, line: Any) -> None:
    getattr(run, name).append(line.text)


_PLACES: dict[type[Any], tuple[str, Callable[[Run, str, Any], None]]] = {
    Start: ("start", setattr),
    End: ("end", setattr),
    Raised: ("raised", setattr),
    TrialState: ("trial", setattr),
    ModelInfo: ("models", _by_id),
    OptimizerInfo: ("optimizers", _by_id),
    Step: ("steps", _append),
    Stride: ("steps", _expand),
    Backward: ("backwards", _append),
    Clip: ("clips", _append),
    Evaluation: ("evaluations", _append),
    Disturbed: ("disturbed", _append),
    Unheld: ("unheld", _append),
    Moved: ("moved", _append),
    Log: ("logs", _append),
    NonFinite: ("nonfinite", _append),
    Pass: ("passes", _append),
    Cut: ("cuts", _append),
    Schedule: ("schedules", _by_id),
    RestedTraining: ("rested", _append),
    DroppedOut: ("dropped", _append),
    GraphEvaluation: ("graph_evaluations", _append),
    Origin: ("origin", setattr),
    Habits: ("habits", setattr),
    KeptGraphs: ("kept", _append),
    Memory: ("memory", _append),
    Waiting: ("waiting", _append),
    LoaderInfo: ("loaders", _by_id),
    BatchOrder: ("batch_orders", _append),
    Inputs: ("inputs", _append),
    Outputs: ("outputs", _append),
    BadInput: ("bad_inputs", _append),
    Overlap: ("overlaps", _append),
    SharedIndices: ("shared_indices", _append),
    LossCall: ("loss_calls", _append),
    Broadcast: ("broadcasts", _append),
    Movement: ("movements", _append),
    Stuck: ("stuck", _append),
    FrozenMoved: ("frozen_moved", _append),
    NotFrozen: ("not_frozen", _append),
    Idle: ("idle", _append),
    Uniform: ("uniform", _append),
    Activation: ("activations", _append),
    Order: ("orders", _append),
    Autocast: ("autocasts", _append),
    Scalers: ("scalers", _append),
    Lines: ("lines", _merge),
    Note: ("notes", _add_text),
}


def read_record(path: str | Path) -> Run:
    """The run that a record tells of; raises OSError where the file cannot be read."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return build_run(parse_lines(file))


def build_run(lines: Iterable[Line]) -> Run:
    """Sort lines by kind."""
    run = Run()
    for line in lines:
        run.add(line)
    return run
