"""What is known of the script's objects: models, optimizers, where they were made."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.readings import Reading, Readings
from trainlint.runtime_checks.record import Site
from trainlint.runtime_checks.scaling import Scaling
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.window import Window


@dataclass
class ModelState:
    """A root module that was called."""

    id: int
    module: weakref.ref[Any]
    # Qualified names and parameters; weak, since watching must keep nothing alive.
    parameters: list[tuple[str, weakref.ref[Any]]]
    # How it is called: since the last backward, ever more than once for one, ever in evaluation
    # mode while a graph is made, and on inputs that all come from a graph.
    calls: int = 0
    backwards: int = 0  # of the run, when it was last called
    repeated: bool = False
    rested: bool = False
    fed: bool = True

    def count(self, trains: bool, backwards: int) -> None:
        """It is called; a part is called once for each backward, a fixed network often twice."""
        if backwards != self.backwards:
            self.calls, self.backwards = 0, backwards
        self.calls += trains
        self.repeated |= self.calls > 1

    def live(self) -> Iterator[tuple[str, Any]]:
        """Name and parameter, of those that still exist."""
        for name, reference in self.parameters:
            parameter = reference()
            if parameter is not None:
                yield name, parameter

    def rename(self, module: Any, names: IdentityMap[tuple[int, str]]) -> None:
        """Take over the parameters that the module has now, and tell their names."""
        named = list(module.named_parameters())
        self.parameters = [(name, weakref.ref(parameter)) for name, parameter in named]
        for name, parameter in named:
            if parameter not in names:
                names[parameter] = (self.id, name)


@dataclass
class Feeding:
    """A pass over a DataLoader; `iterator` is gone once it is left, `trained` after a backward."""

    source: int  # of its data: several loaders may have the same
    iterator: weakref.ref[Any]
    grad: bool  # grad mode was on when it began
    trained: bool = False
    loader: int = 0  # its number
    workers: int = 0
    iterable: bool = False  # of an IterableDataset
    part: Any = None  # `probes.parts.Part`: which samples it goes through
    ended: bool = False  # all of its data came


@dataclass
class OptimizerState:
    """An optimizer, and what happened since its last step; `own` counts its steps."""

    id: int
    own: int = 0
    nameless: bool = False  # names of its parameters were not known at its first step
    backwards: int = 0
    # The tensor by which stale gradients are told: small, and with a gradient at the last step.
    witness: weakref.ref[Any] | None = None
    # The first accumulation into the witness since the last step has been seen.
    accumulated: bool = False
    # Norms of the witness's gradient when that, and every later backward, began.
    met: list[Reading] = field(default_factory=list)
    # One of them met no gradient at all: whatever comes, the next step is not stale.
    cleared: bool = False
    # Identity and version of the witness's gradient as the last step left it, and, after a stale
    # step, its norm: what the script changes there by itself, it means.
    left: tuple[int, int] | None = None
    left_norm: Reading | None = None
    changed: bool = False


@dataclass
class Clipped:
    """The gradient norms that a clipping call met, until the step that consumes them."""

    norms: dict[int, tuple[Reading, int, Reading | None]] = field(default_factory=dict)

    def before(self, parameter: Any) -> float | None:
        """Unscaled norm of a parameter's gradient before the first clipping; None: unclipped."""
        entry = self.norms.get(id(parameter))
        if entry is None:
            return None
        reading, index, scale = entry
        return reading.values[index] / (scale.values[0] if scale else 1.0)


class State:
    """All that the probes of one run know in common.

    `around` are the global names of a loop that is watched from inside, which may hold functions
    of torch that were imported before the probes came.
    """

    def __init__(self, session: Session, around: dict[str, Any] | None = None) -> None:
        self.around = around
        self.session = session
        self.readings = Readings()
        self.scaling = Scaling(self.readings)
        self.sites: IdentityMap[Site | None] = IdentityMap()
        self.models: IdentityMap[ModelState | None] = IdentityMap()
        # Every live optimizer, stepped or not, in order of making.
        self.optimizers: IdentityMap[OptimizerState] = IdentityMap()
        self.names: IdentityMap[tuple[int, str]] = IdentityMap()
        self.clipped = Clipped()
        self.loss: Reading | None = None
        self.loss_scale: Reading | None = None
        self.backwards = 0  # since the last step
        self.all_backwards = 0
        self.epoch = 0
        # The pass that gave the last batch, and the data on which steps were taken.
        self.feeding: Feeding | None = None
        self.trained: set[int] = set()
        # Roots called without a graph since the last training step, and the last root's mode.
        self.evaluated: dict[int, bool] = {}
        self.last_root_trains = True
        # Set while `Optimizer.step` runs: a closure's backward belongs to that step.
        self.stepping = False
        # Modules into which weights were loaded, and layers that belong to no root.
        self.loaded: IdentityMap[bool] = IdentityMap()
        self.loose: list[ModelState] = []
        self.window = Window()
        # Told the tensors of each backward before it begins.
        self.before_graph: list[Callable[[Any], None]] = []
        # Told the optimizer before it updates, unless a closure computes its gradients in the
        # step, and after it has; a step that a GradScaler left out is told to neither.
        self.before_update: list[Callable[[Any], None]] = []
        self.after_update: list[Callable[[Any], None]] = []
        # Told a root module, what it was given and what it returned.
        self.after_root: list[Callable[[Any, Any, Any], None]] = []
        # Told a batch that a loader gave, and the pass that it belongs to.
        self.on_batch: list[Callable[[Any, Feeding], None]] = []
        # Told name, arguments and result of a loss function that is called with a graph, while
        # the window is open.
        self.on_loss: list[Callable[[str, dict[str, Any], Any], None]] = []
        # Kinds of `NonFinite` that have been reported.
        self.nonfinite: set[str] = set()
        # Told what it is, when the first of a kind is there.
        self.on_nonfinite: list[Callable[[str], None]] = []

    def last_loss(self) -> float | None:
        """Unscaled loss of the last backward; None where it was no scalar."""
        if self.loss is None:
            return None
        return self.loss.values[0] / (self.loss_scale.values[0] if self.loss_scale else 1.0)

    def fed_by(self) -> Feeding | None:
        """The pass that gave the last batch; None once it has ended or was left."""
        if self.feeding is not None and self.feeding.iterator() is None:
            self.feeding = None
        return self.feeding

    def roots(self) -> list[ModelState]:
        """The models that have been called and have parameters."""
        return [model for model in self.models.values() if model is not None]

    def optimizer(self, optimizer: Any) -> OptimizerState:
        """The state of an optimizer, begun when it is first seen."""
        state = self.optimizers.get(optimizer)
        if state is None:
            state = self.optimizers[optimizer] = OptimizerState(self.session.number())
        return state

    def holders(self, parameters: list[Any]) -> list[int]:
        """Numbers of the known optimizers that hold any of these."""
        wanted = {id(parameter) for parameter in parameters}
        return [
            state.id
            for optimizer, state in self.optimizers.items()
            if any(id(p) in wanted for group in optimizer.param_groups for p in group["params"])
        ]
