"""The record of an observed run: what the child writes and the parent reads, JSON lines.

Each line is one frozen dataclass of plain scalars, under its `kind`. The child writes a line as
soon as it is known, so a run that is killed leaves all that was measured until then; a torn last
line is dropped. Neither torch nor libcst is imported here: both sides use these files.

Non-finite floats are written as the strings "nan", "inf" and "-inf", since JSON has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from trainlint.runtime_checks.encoding import decode, dump
from trainlint.runtime_checks.record.activations import Activation, Order
from trainlint.runtime_checks.record.arguments import Broadcast, LossCall
from trainlint.runtime_checks.record.data import (
    BadInput,
    BatchOrder,
    Inputs,
    LoaderInfo,
    Outputs,
    Overlap,
    SharedIndices,
)
from trainlint.runtime_checks.record.modes import (
    DroppedOut,
    GraphEvaluation,
    Habits,
    RestedTraining,
)
from trainlint.runtime_checks.record.movement import (
    FrozenMoved,
    Idle,
    Movement,
    NotFrozen,
    Stuck,
    Uniform,
)
from trainlint.runtime_checks.record.origin import Origin
from trainlint.runtime_checks.record.precision import Autocast, Scalers
from trainlint.runtime_checks.record.resources import KeptGraphs, Memory, Waiting
from trainlint.runtime_checks.record.schedules import Schedule
from trainlint.runtime_checks.record.site import Site
from trainlint.runtime_checks.record.training import (
    FORMAT_VERSION,
    Backward,
    Clip,
    Cut,
    Disturbed,
    End,
    Evaluation,
    Frame,
    Lines,
    Log,
    ModelInfo,
    Moved,
    NonFinite,
    Note,
    OptimizerInfo,
    ParameterInfo,
    Pass,
    Raised,
    Start,
    Step,
    Stride,
    TrialState,
    Unheld,
)

__all__ = [
    "FORMAT_VERSION",
    "Activation",
    "Autocast",
    "Backward",
    "BadInput",
    "BatchOrder",
    "Broadcast",
    "Clip",
    "Cut",
    "Disturbed",
    "DroppedOut",
    "End",
    "Evaluation",
    "Frame",
    "FrozenMoved",
    "GraphEvaluation",
    "Habits",
    "Idle",
    "Inputs",
    "KeptGraphs",
    "Line",
    "Lines",
    "LoaderInfo",
    "Log",
    "LossCall",
    "Memory",
    "ModelInfo",
    "Moved",
    "Movement",
    "NonFinite",
    "NotFrozen",
    "Note",
    "OptimizerInfo",
    "Order",
    "Origin",
    "Outputs",
    "Overlap",
    "ParameterInfo",
    "Pass",
    "Raised",
    "RestedTraining",
    "Scalers",
    "Schedule",
    "SharedIndices",
    "Site",
    "Start",
    "Step",
    "Stride",
    "Stuck",
    "TrialState",
    "Unheld",
    "Uniform",
    "Waiting",
    "dump_line",
    "parse_lines",
]

Line = (
    Start
    | ModelInfo
    | OptimizerInfo
    | Step
    | Stride
    | Backward
    | Clip
    | Evaluation
    | Disturbed
    | Unheld
    | Moved
    | Log
    | NonFinite
    | Pass
    | Cut
    | LoaderInfo
    | BatchOrder
    | Inputs
    | Outputs
    | BadInput
    | Overlap
    | SharedIndices
    | LossCall
    | Broadcast
    | Lines
    | Note
    | Raised
    | Schedule
    | Movement
    | Stuck
    | FrozenMoved
    | NotFrozen
    | Idle
    | Uniform
    | Activation
    | Order
    | Autocast
    | Scalers
    | TrialState
    | RestedTraining
    | DroppedOut
    | GraphEvaluation
    | Habits
    | KeptGraphs
    | Memory
    | Waiting
    | Origin
    | End
)


_KINDS: dict[str, type[Any]] = {cls.kind: cls for cls in get_args(Line)}


def dump_line(line: Line) -> str:
    """One line of the record, with its line end."""
    return dump(line, kind=line.kind) + "\n"


def parse_lines(lines: Iterable[str]) -> Iterator[Line]:
    """The lines that can be understood.

    A torn line, one of an unknown kind, and one that lacks a field are left out: a record is read
    while it is written, and by versions other than the one that wrote it.
    """
    for text in lines:
        try:
            data = json.loads(text)
            yield decode(_KINDS[data.pop("kind")], data)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            continue
