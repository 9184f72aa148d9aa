"""The measured curves of a run: what the JSON output thins and the TensorBoard log draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.runtime_checks.evaluations import evaluation_series
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import Point


@dataclass(frozen=True)
class RunCurve:
    """One curve: a tag such as `loss/training`, and its values by optimizer step."""

    tag: str
    points: tuple[Point, ...]

    @property
    def peaks(self) -> bool:
        """Whether the greatest values are what matters where points must be left out."""
        return self.tag.startswith("gradient norm")


def run_curves(run: Run) -> list[RunCurve]:
    """Losses by phase, then per optimizer its norms, update ratios and learning rates.

    With several optimizers, the tag ends in the optimizer's name and number; with several series of
    evaluations, in the line, and in the data. Curves without a value are left out.
    """
    curves = [*_losses(run)]
    for number, info in run.optimizers.items():
        suffix = f"/{info.name} {number}" if len(run.optimizers) > 1 else ""
        curves += _of_optimizer(run.steps_of(number), info, suffix)
    return [curve for curve in curves if curve.points]


def _losses(run: Run) -> Iterator[RunCurve]:
    known = ((step.step, step.loss) for step in run.steps)
    yield RunCurve("loss/training", tuple((at, loss) for at, loss in known if loss is not None))
    series = evaluation_series(run)
    for one in series:
        suffix = f"/{one.name}" if one.name and (len(series) > 1 or one.training_data) else ""
        points = tuple((evaluation.step, evaluation.loss) for evaluation in one.evaluations)
        yield RunCurve(f"loss/evaluation{suffix}", points)


def _of_optimizer(steps: list[Step], info: OptimizerInfo, suffix: str) -> Iterator[RunCurve]:
    named = (
        ("gradient norm/before clipping", [(step.step, step.norm) for step in steps]),
        ("gradient norm/after clipping", [(step.step, step.norm_after) for step in steps]),
        ("update ratio", [(step.step, step.update_ratio) for step in steps]),
    )
    for tag, pairs in named:
        points = tuple((at, value) for at, value in pairs if value is not None)
        yield RunCurve(f"{tag}{suffix}", points)
    groups = max((len(step.lrs) for step in steps), default=0)
    for group in range(groups):
        end = f"{suffix}/group {group}" if groups > 1 else suffix
        rates = tuple((step.step, step.lrs[group]) for step in steps if group < len(step.lrs))
        yield RunCurve(f"learning rate{end}", rates)
