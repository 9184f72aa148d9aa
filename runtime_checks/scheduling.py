"""How a scheduler and the steps of its optimizer go together, and where they do not.

Shared by two detectors: a schedule at the wrong rate is the cause, and the rate that has become 0
its symptom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainlint.runtime_checks.detection import Thresholds
from trainlint.runtime_checks.record import Schedule, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import median

# Their length is that of the whole training.
WHOLE = ("T_max", "total_steps", "total_iters", "num_training_steps")


@dataclass(frozen=True)
class Mismatch:
    """A schedule at the wrong rate: what is wrong, in words, and the step that shows it."""

    text: str
    fast: bool
    step: int
    rate: float | None = None
    highest: float | None = None


def taken_steps(run: Run, optimizer: int) -> list[Step]:
    """The steps of an optimizer that were not left out, and whose learning rates are known."""
    return [step for step in run.steps_of(optimizer) if step.lrs and not step.skipped]


def is_done(run: Run) -> bool:
    """Whether the script ended by itself."""
    return run.end is not None and run.end.reason == "finished"


def is_per_step(schedule: Schedule) -> bool:
    """Whether it is stepped about as often as its optimizer."""
    return 0.8 * schedule.taken <= schedule.calls <= 1.2 * schedule.taken


def batches_of_pass(run: Run) -> float | None:
    """How many batches a training pass has, cut or not; None where no loader tells."""
    return median(one.length for one in run.passes if one.training and one.length)


def find_mismatch(run: Run, schedule: Schedule, limits: Thresholds) -> Mismatch | None:
    """What is wrong with the rate at which a scheduler is stepped, or None."""
    if schedule.calls < limits.schedule_calls or schedule.name == "ReduceLROnPlateau":
        return None
    if is_per_step(schedule):
        return _decayed(run, schedule, limits) or _repeated(run, schedule)
    return _too_slow(run, schedule, limits)


def _decayed(run: Run, schedule: Schedule, limits: Thresholds) -> Mismatch | None:
    """Stepped per batch, it has brought the rate to nothing long before the training ends."""
    steps = taken_steps(run, schedule.optimizer)
    rates = [max(step.lrs) for step in steps]
    batches = batches_of_pass(run)
    fall = limits.schedule_fall if batches else limits.schedule_deep_fall
    low = _low_from(rates, fall)
    if low is None or low < 1 or len(rates) - low < limits.schedule_steps:
        return None
    if len(rates) - low < limits.schedule_share * len(rates) or (batches and low > batches):
        return None
    when = "within its first pass over the data" if batches else f"after {low} steps"
    text = f"is stepped for each batch, and has brought the learning rate to nothing {when}"
    return Mismatch(text, True, steps[low].step, rates[low], max(rates))


def _low_from(rates: Sequence[float], fall: float) -> int | None:
    """The index from which all rates are below that part of the highest."""
    highest = max(rates, default=0.0)
    low = len(rates)
    while low and rates[low - 1] < fall * highest:
        low -= 1
    return low if highest > 0 and low < len(rates) else None


def _repeated(run: Run, schedule: Schedule) -> Mismatch | None:
    """Stepped per batch, its half wave has gone down and up again more than once in a pass."""
    length, batches = schedule.length, batches_of_pass(run)
    if schedule.name != "CosineAnnealingLR" or not length:
        return None
    most = min(schedule.calls, batches) if batches else schedule.calls / 2
    if 2 * length > most:
        return None
    where = f" of {batches:.0f} batches" if batches else ""
    text = (
        f"is stepped for each batch, and its {schedule.argument} of {length} ends many times "
        f"within one pass{where}: the learning rate swings between its highest and its lowest"
    )
    return Mismatch(text, True, length)


def _too_slow(run: Run, schedule: Schedule, limits: Thresholds) -> Mismatch | None:
    """Stepped once for many steps, while its length counts them."""
    length = schedule.length
    if not length or schedule.argument not in WHOLE or schedule.taken < 4 * schedule.calls:
        return None
    if is_done(run):
        counts_steps = abs(length - schedule.taken) <= 0.05 * schedule.taken
    else:
        batches = batches_of_pass(run) or 1.0
        counts_steps = length >= limits.schedule_length and batches >= 10 and length % batches == 0
    if not counts_steps:
        return None
    text = (
        f"is stepped {schedule.calls} times in {schedule.taken} steps of its optimizer, while its "
        f"{schedule.argument} of {length} counts those steps: it hardly begins"
    )
    return Mismatch(text, False, schedule.step)
