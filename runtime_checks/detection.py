"""What a detector is, and how a run is judged.

A detector is a generator function over a `Run`, in a file of its own in `detectors/`. It yields
`Found` for a mistake, `Abstain` where it cannot tell, `Witness` for what the run shows of a static
rule, and `Remark` for a note; a detector that yields neither of the first two has passed. Nothing
here imports torch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from trainlint.finding import Evidence, Finding, Location, Related, Severity, Verdict
from trainlint.registry import DETECTORS, Entry, load, make_entry, register
from trainlint.runtime_checks.enough import too_few_steps
from trainlint.runtime_checks.record import Site
from trainlint.runtime_checks.run import Run


@dataclass(frozen=True)
class Thresholds:
    """Where the detectors draw their lines. Norms are L2, shares run from 0 to 1."""

    # A run of fewer steps in which nothing was found is not called healthy.
    least_steps: int = 10
    # Once can be an odd first batch, three times in a row of events is how the script works.
    stale_steps: int = 3
    gradless_steps: int = 3
    # Where tasks take turns, an optimizer that is stepped each time often has no gradient.
    gradless_share: float = 0.95
    gradient_returns: int = 2
    unheld_steps: int = 20
    # Ours: AutoTrainer asks for 70 times the last layer's norm in the first, TheDeepChecker for a
    # mean of 1e6, or four doublings in a row. The floor keeps a converged run, whose norms are
    # next to nothing, from looking ill.
    explosion_ratio: float = 1e3
    explosion_floor: float = 100.0
    explosion_baseline: int = 10
    explosion_steps: int = 3
    explosion_harm: float = 2.0
    clipped_explosion_share: float = 0.1
    skipped_tail: int = 10
    clip_calls: int = 3
    clip_share: float = 0.5
    # Beyond this share of steps, cut to below this part of the norm, clipping sets the step size.
    clip_always: float = 0.9
    clip_strong: float = 0.1
    evaluations: int = 3
    evaluation_rise: float = 0.1
    evaluation_jump: float = 0.3  # asked of a series too short for a test
    # The lowest of 24 values of pure noise lies two deviations below their mean; medians of three
    # at both ends differ by some 3.3 at most.
    evaluation_noise: float = 5.0
    evaluation_floor: float = 0.01  # of the first evaluation's loss
    training_fall: float = 0.02
    significance: float = 0.01
    clip_always_calls: int = 20
    autocast_entries: int = 3
    autocast_layers: int = 3
    scaler_calls: int = 3
    scalers_made: int = 10
    zero_gradient_steps: int = 10
    zero_gradient_share: float = 0.5
    # A loss that is as small as this part of its largest has nothing left to teach.
    zero_gradient_loss: float = 1e-6
    stuck_samples: int = 10
    # Of a tensor in bfloat16 or float16, the part of its elements that a step leaves as they were.
    stuck_share: float = 0.7
    # The median of the largest ratio of a layer's movement to its weights; 1e-3 is usual.
    update_samples: int = 8
    update_small: float = 1e-6
    update_large: float = 0.3
    update_harm: float = 0.9  # the part of the first losses below which training got somewhere
    ascent_samples: int = 3
    ascent_cosine: float = 0.1
    ascent_share: float = 0.9
    idle_samples: int = 20
    uniform_samples: int = 15
    vanishing_ratio: float = 1e-3
    vanishing_floor: float = 1e-4
    vanishing_share: float = 0.5
    vanishing_layers: int = 5
    # Where inputs vary little, half of the units of a layer are off from the start, and it trains.
    dead_share: float = 0.75
    dead_samples: int = 200
    saturated_share: float = 0.5
    # A warm-up may begin at 0, and a decay end there: neither lasts for half of the steps, or for
    # the last fifth of them.
    zero_rate_steps: int = 20
    zero_rate_start: float = 0.5
    zero_rate_end: float = 0.2
    schedule_calls: int = 3
    schedule_steps: int = 20
    schedule_passes: int = 3
    # A thousandth of the highest rate trains nothing; a millionth where no pass says how long an
    # epoch is. Schedules that end there do so at their end.
    schedule_fall: float = 1e-3
    schedule_deep_fall: float = 1e-6
    schedule_share: float = 0.5
    schedule_length: int = 2000  # epochs that nobody trains
    log_stalls: int = 2
    log_share: float = 0.5
    log_falls: int = 2
    # Ten steps are no accident, and a step or two in evaluation mode may be a test.
    rested_steps: int = 10
    rested_share: float = 0.5
    dropout_calls: int = 2
    dropout_repeat_share: float = 0.5
    graph_evaluations: int = 3
    # Calls of one line's loss that are looked at, and the share of them that must be wrong: what a
    # loss is given is the same kind of thing each time.
    loss_calls: int = 3
    loss_share: float = 0.9
    # How far sums of rows of probabilities are from 1: half precision rounds each to 3 digits.
    loss_rounding: float = 0.01
    # Of a regression's targets, this share lies where a ReLU cannot go.
    loss_negative_share: float = 0.1
    kept_graphs: int = 8
    kept_share: float = 0.75
    memory_looks: int = 8
    memory_growth: float = 5e7  # bytes in all, and a step
    memory_step: float = 2e4
    waiting_share: float = 0.2
    waiting_seconds: float = 0.03
    # TheDeepChecker's: a plateau falls by less than 5 % over a period, a divergence doubles.
    curve_steps: int = 120
    curve_between_share: float = 0.5
    plateau_share: float = 0.05
    plateau_flat_share: float = 0.01  # a fall of less is none, even if it is more than chance
    plateau_update: float = 1e-6  # of a layer's norm, by which a step moves it
    divergence_ratio: float = 2.0
    divergence_rise: float = 1.2
    oscillation_level: float = 0.9
    oscillation_noise: float = 0.25
    oscillation_update: float = 0.02
    # Labels: batches that hold one class nearly alone, in runs of at least two, while no class has
    # more than this share of all.
    sorted_purity: float = 0.9
    sorted_share: float = 0.7
    sorted_batches: int = 10
    sorted_changes: float = 0.4
    imbalance_labels: int = 500
    imbalance_ratio: float = 10.0
    order_samples: int = 8
    repeated_batches: int = 10
    worker_rounds: int = 2
    worker_samples: int = 8
    leak_samples: int = 32
    leak_share: float = 0.05
    leak_clean: float = 0.01
    leak_chance: float = 3.0
    unscaled_size: float = 50.0
    unscaled_deviation: float = 10.0
    # Of the logarithm of the number of classes.
    first_loss_high: float = 2.0
    first_loss_low: float = 0.5
    prior_calls: int = 40
    prior_level: float = 0.97  # of the entropy of the labels
    constant_looks: int = 10


@dataclass(frozen=True)
class Found:
    """A mistake as its detector tells it; `judge` adds code, name and default severity."""

    site: Site | None
    message: str
    hint: str | None = None
    related: tuple[tuple[Site | None, str], ...] = ()
    evidence: tuple[Evidence, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True)
class Abstain:
    """The run does not show enough to judge; `reason` is a clause such as `no loss was seen`."""

    reason: str


@dataclass(frozen=True)
class Witness:
    """What a run shows of the static rule `rule`, without being a finding itself.

    `sites` are the lines of which it speaks; None for the run as a whole.
    """

    rule: str
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    sites: tuple[Site, ...] | None = None


@dataclass(frozen=True)
class Remark:
    """What a reader should know though it may be meant so; no finding."""

    text: str


Result = Found | Abstain | Witness | Remark
Function = Callable[[Run, Thresholds], Iterator[Result]]

# By code, the detectors whose findings explain all that this one could find: causes of a symptom.
_EXPLAINED: dict[str, tuple[str, ...]] = {}

# What a reader is told where a list of `Run` that a detector needs is empty.
_ABSENT = {
    "steps": "no optimizer step was seen",
    "clips": "no gradient was clipped",
    "evaluations": "needs three evaluations, saw none",
    "logs": "no add_scalar was seen",
    "models": "no model was called",
    "schedules": "no scheduler was made",
    "loaders": "no DataLoader was used",
    "batch_orders": "no batches of a DataLoader could be compared",
    "loss_calls": "no loss function of torch's was called in the steps looked at",
}


class State(str, Enum):
    """How a detector ended."""

    FOUND = "found"
    PASSED = "passed"
    NOT_TRIGGERED = "not triggered"


@dataclass(frozen=True)
class Outcome:
    """How one detector ended; `reason` says why it was not triggered, and is empty otherwise.

    One that is not `default` (advice, or an answer to a static rule) need not be shown.
    """

    code: str
    name: str
    state: State
    reason: str = ""
    default: bool = True


@dataclass(frozen=True)
class Judgement:
    """All that the detectors made of one run, each by code.

    `reached` is False where no optimizer ever stepped: nothing about training can be said then.
    `too_few` says why the run is too short to be called healthy, and is empty where it is not.
    """

    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]
    witnesses: tuple[Witness, ...]
    reached: bool
    too_few: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def is_telling(self) -> bool:
        """Whether finding nothing means that the training is healthy."""
        return self.reached and not self.too_few

    def state(self, code: str) -> State:
        """How the detector of that code ended."""
        return next(outcome.state for outcome in self.outcomes if outcome.code == code)


def detector(
    code: str,
    severity: Severity,
    *,
    confirms: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    default: bool | None = None,
    explained_by: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Register a detector; it abstains while a list of `Run` named in `needs` is empty.

    It abstains as well where a detector that is named in `explained_by` has found something.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def guarded(run: Run, limits: Thresholds) -> Iterator[Result]:
            missing = next((need for need in needs if not getattr(run, need)), None)
            if missing is not None:
                yield Abstain(_ABSENT[missing])
                return
            yield from function(run, limits)

        _EXPLAINED[code] = explained_by
        register(make_entry(guarded, code, severity, default=default, confirms=confirms))
        return guarded

    return decorate


def judge(run: Run, limits: Thresholds | None = None) -> Judgement:
    """Ask every detector about one run."""
    limits = limits or Thresholds()
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    witnesses: list[Witness] = []
    remarks: list[str] = []
    told = {entry: list(entry.function(run, limits)) for entry in load(DETECTORS)}
    causes = {entry.code for entry, results in told.items() if _has_found(results)}
    for entry, given in told.items():
        results = _unexplained(entry.code, given, causes)
        found = [result for result in results if isinstance(result, Found)]
        findings += [_finding(result, entry, run) for result in found]
        witnesses += [result for result in results if isinstance(result, Witness)]
        remarks += [result.text for result in results if isinstance(result, Remark)]
        outcomes.append(_outcome(entry, bool(found), results))
    findings.sort(key=lambda finding: (finding.code, finding.sort_key))
    few = too_few_steps(run, limits.least_steps)
    return Judgement(
        tuple(findings), tuple(outcomes), tuple(witnesses), bool(run.steps), few, tuple(remarks)
    )


def _has_found(results: Iterable[Result]) -> bool:
    return any(isinstance(result, Found) for result in results)


def _unexplained(code: str, results: list[Result], causes: set[str]) -> list[Result]:
    """What a detector told, or that a finding of another explains what it found."""
    why = [cause for cause in _EXPLAINED.get(code, ()) if cause in causes]
    if not why or not _has_found(results):
        return results
    kept: list[Result] = [result for result in results if isinstance(result, (Witness, Remark))]
    return [*kept, Abstain(f"explained by {', '.join(why)}")]


def _outcome(entry: Entry, found: bool, results: Iterable[Result]) -> Outcome:
    reasons = dict.fromkeys(result.reason for result in results if isinstance(result, Abstain))
    state = State.FOUND if found else State.NOT_TRIGGERED if reasons else State.PASSED
    reason = "; ".join(reasons) if state is State.NOT_TRIGGERED else ""
    return Outcome(entry.code, entry.name, state, reason, entry.default)


def _finding(found: Found, entry: Entry, run: Run) -> Finding:
    return Finding(
        code=entry.code,
        name=entry.name,
        message=found.message,
        severity=found.severity or entry.severity,
        location=_location(found.site, run),
        related=tuple(
            Related(Location(site.path, site.line), label) for site, label in found.related if site
        ),
        hint=found.hint,
        evidence=found.evidence,
    )


def _location(site: Site | None, run: Run) -> Location:
    """The place of a site; the script's first line where no line of the user's is known."""
    if site is not None:
        return Location(site.path, site.line)
    return Location(run.start.script if run.start else "<script>", 1)
