"""The lines that tell how a run began, trained and ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trainlint.runtime_checks.record.site import Site

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Start:
    """First line: what is run, and within which bounds."""

    kind: ClassVar[str] = "start"
    script: str
    argv: list[str]
    torch: str
    python: str
    device: str
    max_steps: int
    max_seconds: float
    trial: str | None = None
    format: int = FORMAT_VERSION


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter tensor: qualified name (`0.weight` below its root), shape, layer class."""

    name: str
    shape: list[int]
    layer: str
    requires_grad: bool
    site: Site | None = None  # where the layer was made


@dataclass(frozen=True)
class ModelInfo:
    """A root module (one called by the user's code, not by another module), at its first call.

    With `loose`, so many layers that the losses depend on and no root has registered; name and
    site are then those of the root that was called.
    """

    kind: ClassVar[str] = "model"
    id: int
    name: str  # class name
    site: Site | None  # where it was made
    parameters: list[ParameterInfo]
    loose: int = 0


@dataclass(frozen=True)
class OptimizerInfo:
    """An optimizer, at its first step: the order of `parameters` is that of Step.norms."""

    kind: ClassVar[str] = "optimizer"
    id: int
    name: str  # class name, `SGD`
    site: Site | None  # where it was made
    parameters: list[str]  # qualified names, as in ModelInfo; `?` where no root is known
    models: list[int]  # ids of the models whose parameters it holds


@dataclass(frozen=True)
class Step:
    """One call of `optimizer.step()`.

    `step` counts all optimizers' steps of the run from 0; `own` counts this optimizer's.
    Gradient norms are L2, over this optimizer's parameters, with the loss scale of a GradScaler
    taken out. `norm` is before clipping and `norm_after` what the optimizer consumed; they are
    equal where nothing clipped.
    """

    kind: ClassVar[str] = "step"
    step: int
    own: int
    optimizer: int
    site: Site | None
    seconds: float  # since the script was started
    lrs: list[float]
    loss: float | None  # of the last backward before the step, unscaled
    norm: float | None  # this and the next two are None where it was not looked at closely
    norm_after: float | None
    norms: list[float] | None  # per parameter tensor, before clipping
    with_grad: int  # tensors whose .grad is not None
    total: int  # tensors that the optimizer holds and that require a gradient
    stale: bool  # the first backward since the last step met non-zero, uncleared gradients
    backwards: int  # backward calls since this optimizer's last step
    skipped: bool = False  # a GradScaler left the step out
    update_ratio: float | None = None  # sampled: max over layers of |dw|/|w|, 2-D tensors and up
    frozen: int = 0  # tensors that it holds, where none requires a gradient or has one


@dataclass(frozen=True)
class Stride:
    """Steps of one optimizer that were not looked at closely: alike, but for their columns.

    `own` is the first one's; the fields are those of `Step`, without what only a close look tells.
    """

    kind: ClassVar[str] = "stride"
    optimizer: int
    own: int
    site: Site | None
    with_grad: int
    total: int
    stale: bool
    backwards: int
    skipped: bool
    frozen: int
    steps: list[int]
    seconds: list[float]
    lrs: list[list[float]]
    losses: list[float | None]

    def expanded(self) -> Iterator[Step]:
        """Each as a `Step`."""
        columns = zip(self.steps, self.seconds, self.lrs, self.losses, strict=True)
        for index, (step, seconds, lrs, loss) in enumerate(columns):
            yield Step(
                step=step,
                own=self.own + index,
                optimizer=self.optimizer,
                site=self.site,
                seconds=seconds,
                lrs=lrs,
                loss=loss,
                norm=None,
                norm_after=None,
                norms=None,
                with_grad=self.with_grad,
                total=self.total,
                stale=self.stale,
                backwards=self.backwards,
                skipped=self.skipped,
                frozen=self.frozen,
            )


@dataclass(frozen=True)
class Backward:
    """One `backward()` from the user's code, while steps are looked at closely."""

    kind: ClassVar[str] = "backward"
    step: int  # steps taken before it
    site: Site | None
    loss: float | None  # of a scalar; None otherwise


@dataclass(frozen=True)
class Clip:
    """One call of a clipping function, by norm or by value."""

    kind: ClassVar[str] = "clip"
    step: int  # steps taken before it: the step that consumes it has this number
    site: Site | None
    how: str  # "norm" or "value"
    limit: float
    # Total norm before clipping, in unscaled units; None by value, where steps are not looked at.
    norm: float | None
    tensors: int  # with a gradient, among those handed in
    optimizers: list[int]  # ids of known optimizers that hold any of them
    scaled: bool = False  # gradients still carried a GradScaler's factor
    backwards: int | None = None  # backward calls since the last step of any; None: not known


@dataclass(frozen=True)
class Evaluation:
    """The losses computed without a graph between two training steps, over one pass of data."""

    kind: ClassVar[str] = "evaluation"
    step: int  # training steps taken before it
    site: Site | None  # of the first loss call
    loss: float  # mean over its batches
    batches: int
    models: list[int]
    training_mode: bool  # a Dropout or BatchNorm ran in training mode
    epoch: int  # training passes begun before it
    source: int | None = None  # the data it was made over, by their number; None: not known
    training_data: bool = False  # steps were taken on these data
    order: int = 0  # how many of this line's came before it since the last training step


@dataclass(frozen=True)
class Disturbed:
    """A line called a model without a graph, while layers of it were in training mode; told once.

    `layers` are the classes of those that work otherwise then, Dropout and BatchNorm.
    """

    kind: ClassVar[str] = "disturbed"
    step: int
    site: Site | None
    layers: list[str]


@dataclass(frozen=True)
class Unheld:
    """Parameters that got a gradient and that no optimizer that has stepped holds."""

    kind: ClassVar[str] = "unheld"
    step: int
    model: int
    names: list[str]
    steps: int  # over how many steps this has held
    # A model that the script made and never loaded, always in training mode, called once for each
    # backward, on what other modules computed; no optimizer was ever given any of it.
    part: bool = False


@dataclass(frozen=True)
class Moved:
    """Parameters of `Unheld` that changed all the same: the script moves them itself."""

    kind: ClassVar[str] = "moved"
    step: int
    model: int
    names: list[str]


@dataclass(frozen=True)
class Log:
    """One `add_scalar` of a SummaryWriter."""

    kind: ClassVar[str] = "log"
    step: int  # optimizer steps taken before it
    site: Site | None
    tag: str
    global_step: int | None
    writer: int


@dataclass(frozen=True)
class NonFinite:
    """The first non-finite loss, gradient or weight of each kind."""

    kind: ClassVar[str] = "nonfinite"
    step: int
    what: str  # "loss", "gradient", "weight"
    names: list[str]  # the tensors, at most ten; empty for a loss
    site: Site | None
    value: float


@dataclass(frozen=True)
class Pass:
    """A DataLoader's pass began; a `Cut` follows if it was cut short."""

    kind: ClassVar[str] = "pass"
    step: int
    site: Site | None
    loader: int
    length: int | None
    batch_size: int | None
    training: bool  # grad mode was on when it began


@dataclass(frozen=True)
class Cut:
    """A training pass was ended after `batches` of its `length`; None: not known."""

    kind: ClassVar[str] = "cut"
    step: int
    loader: int
    batches: int
    length: int | None


@dataclass(frozen=True)
class Lines:
    """Lines of the user's files that were run, collected once: for `not reached`."""

    kind: ClassVar[str] = "lines"
    path: str
    lines: list[int]
    whole: bool = True  # False where others may have been run as well


@dataclass(frozen=True)
class Note:
    """Something that a reader of the report must know: a pass cut short, compile forced eager."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Frame:
    """One frame of a traceback."""

    path: str
    line: int
    function: str


@dataclass(frozen=True)
class Raised:
    """The script raised: exception class, its text, and the frames, outermost first."""

    kind: ClassVar[str] = "raised"
    step: int
    type: str
    text: str
    frames: list[Frame]
    name: str | None = None  # the name that a NameError lacks


@dataclass(frozen=True)
class TrialState:
    """Whether a trial's change was made, to what, or why not."""

    kind: ClassVar[str] = "trial"
    applied: bool
    what: str  # "clipped 120 steps", "weight_norm on 3 layers"; or the reason


@dataclass(frozen=True)
class End:
    """Last line: of the child, or, where the child could write none, of the parent.

    The child ends "finished", by its budget ("steps", "seconds"), "raised", "exit" or
    "interrupted", or "hung" where its time was up while it waited for long; a watched block also
    by being "left". The parent adds "killed" (by a signal), "hung" (it had to be stopped) or
    "vanished" (`os._exit`, or anything else that left no word).
    """

    kind: ClassVar[str] = "end"
    reason: str
    steps: int
    seconds: float
    status: int = 0  # exit status; of a killed child the signal's number, negative
    text: str = ""  # what the script gave sys.exit to print
    site: Site | None = None  # where it called sys.exit, or where it stood when its time was up
    inside: str = ""  # the library's function that it had called there, `queue.get`
    children: int = 0  # processes that it started, which are not watched
    idle: float | None = None  # seconds without a sign of its training, when its time was up
