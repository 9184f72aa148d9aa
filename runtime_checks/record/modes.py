"""The lines that tell in which mode models train and are evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site


@dataclass(frozen=True)
class RestedTraining:
    """An optimizer stepped on losses of a model that was in evaluation mode, told again and again.

    `steps` counts the optimizer's steps of that kind, `since` is its first; none of its parameters
    was called in training mode for them. `layers` are the classes of those that work otherwise in
    training, all of which rest.
    """

    kind: ClassVar[str] = "rested"
    step: int
    optimizer: int
    model: int
    steps: int
    since: int
    of: int  # all steps of this optimizer since then
    layers: list[str]
    switched: Site | None  # the last `eval()` that reached the model
    site: Site | None  # of the backward
    fresh: bool  # statistics of its BatchNorm are those that it was made with
    trained: bool  # it was in training mode before, in this run
    share: float  # of its weights that require a gradient


@dataclass(frozen=True)
class DroppedOut:
    """A dropout within a model that was in evaluation mode and made no graph.

    `calls` of the model saw it so far, `repeats` of which were handed what the call before was.
    `how` is "function", "attention" or "layer": one that the model does not hold.
    """

    kind: ClassVar[str] = "dropped"
    step: int
    site: Site | None
    how: str
    p: float
    module: str  # class of the module whose forward it stands in
    calls: int
    repeats: int


@dataclass(frozen=True)
class GraphEvaluation:
    """Calls of a model in evaluation mode that recorded a graph which nothing went back through."""

    kind: ClassVar[str] = "evaluated with graph"
    step: int
    site: Site | None
    model: int
    calls: int


@dataclass(frozen=True)
class Habits:
    """How the script trains, over its first `steps` steps.

    `between` of them followed a call of a model without a graph that was made since the step
    before: to act, to teach, to compare. `environments` are the packages of reinforcement learning
    that it has imported.
    """

    kind: ClassVar[str] = "habits"
    steps: int
    between: int
    environments: list[str]
    loaded: bool = False  # weights were loaded into a model, or it came with them
