"""The text report of `trainlint run`: one screen, the worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import click

from trainlint.runtime_checks.clipping import clip_summary
from trainlint.runtime_checks.curves import RunCurve, run_curves
from trainlint.runtime_checks.detection import Judgement, Outcome, State
from trainlint.runtime_checks.evaluations import evaluation_series
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.record import Evaluation, OptimizerInfo
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, show
from trainlint.runtime_checks.sparkline import BLOCKS, sparkline
from trainlint.runtime_checks.table import TrialRow, trial_rows

Paint = Callable[..., str]
LABEL = 15
LAYERS = 3
DRAWN = {"loss": "loss", "gradient norm": "gradient norm", "learning rate": "learning rate"}
HEAD = ("trial", "peak grad norm", "final train loss", "final eval loss", "cured", "not cured")


def render_report(
    run: Run,
    judgement: Judgement,
    findings: str,
    trials: Sequence[tuple[str, Run]] = (),
    not_run: Sequence[tuple[str, str]] = (),
    *,
    brief: bool = False,
    color: bool = False,
    blocks: str = BLOCKS,
) -> str:
    """The whole report; `findings` is their text, already rendered.

    In brief, what was measured and how each detector ended are left out. `blocks` are the
    characters of which curves are drawn, the lowest first.
    """
    paint: Paint = click.style if color else _unpainted
    notes = (f"  {note}" for note in (*run.notes, *judgement.remarks))
    parts = [
        "\n".join([paint(outcome_line(run), bold=True), *notes]),
        findings.strip("\n"),
        "\n".join(_measured(run, blocks) + _detectors(judgement, paint)) if not brief else "",
        _table(trial_rows(run, trials, not_run), paint) if trials or not_run else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _unpainted(text: str, **_: object) -> str:
    return text


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    """Lines under one label, which stands before the first."""
    return [f"{label if not index else '':<{LABEL}}{line}" for index, line in enumerate(lines)]


def _measured(run: Run, blocks: str) -> list[str]:
    if not run.steps:
        return []
    clipping = _labelled("clipping", [clip_summary(run).sentence()])
    drawn = [line for curve in run_curves(run) for line in _drawn(curve, blocks)]
    return drawn + clipping + _labelled("evaluations", _evaluations(run)) + _layers(run)


def _drawn(curve: RunCurve, blocks: str) -> list[str]:
    """A loss, a norm or a rate as a small curve, with its first and last value."""
    kind, _, rest = curve.tag.partition("/")
    values = [value for _, value in curve.points]
    if kind not in DRAWN or len(values) < 2 or rest.startswith("after clipping"):
        return []
    name = rest.replace("before clipping", "").replace("/", " ").strip() if kind != "loss" else rest
    end = f", {name}" if name else ""
    if len(set(values)) == 1:
        return [f"{DRAWN[kind]:<{LABEL}}{show(values[0])} throughout{end}"]
    change = f"{show(values[0])} to {show(values[-1])}"
    return [f"{DRAWN[kind]:<{LABEL}}{sparkline(values, blocks)} {change}{end}"]


def _layers(run: Run) -> list[str]:
    """The tensors with the greatest gradients, at the first and the last step looked at."""
    lines = []
    for number, info in run.optimizers.items():
        steps = [
            step for step in run.steps_of(number) if len(step.norms or ()) == len(info.parameters)
        ]
        if len(steps) > 1 and len(info.parameters) > LAYERS:
            lines += _of_layers(info, [step.norms or [] for step in steps])
    return _labelled("largest norms", lines)


def _of_layers(info: OptimizerInfo, norms: Sequence[Sequence[float]]) -> list[str]:
    def rank(index: int) -> float:
        return max(math.inf if math.isnan(row[index]) else row[index] for row in norms)

    worst = sorted(range(len(info.parameters)), key=rank, reverse=True)[:LAYERS]
    width = max(len(info.parameters[index]) for index in worst)
    return [
        f"{info.parameters[index]:<{width}}  {show(norms[0][index])} to {show(norms[-1][index])}, "
        f"peak {show(max((row[index] for row in norms), key=_peak))}"
        for index in worst
    ]


def _peak(norm: float) -> float:
    return math.inf if math.isnan(norm) else norm


def _evaluations(run: Run) -> list[str]:
    lines = []
    series = evaluation_series(run)
    for one in series[:3]:
        where = f"{one.name}: " if one.name and (len(series) > 1 or one.training_data) else ""
        group, last = one.evaluations, one.evaluations[-1]
        lines.append(
            f"{where}{count(len(group), 'evaluation')}{_lowest(group)}, "
            f"last {show(last.loss)} at step {last.step}"
        )
    return lines or ["none seen"]


def _lowest(group: Sequence[Evaluation]) -> str:
    known = [evaluation for evaluation in group if math.isfinite(evaluation.loss)]
    low = min(known, key=lambda evaluation: evaluation.loss, default=None)
    return "" if low is None else f", lowest loss {show(low.loss)} at step {low.step}"


def _detectors(judgement: Judgement, paint: Paint) -> list[str]:
    """What was found and passed in a line each, and each that could not tell with its reason."""
    shown = [outcome for outcome in judgement.outcomes if outcome.default]
    if not judgement.is_telling:
        shown = [outcome for outcome in shown if outcome.state is State.FOUND]
    lines = []
    for state, style in ((State.FOUND, "red"), (State.PASSED, "green")):
        names = [outcome.name for outcome in shown if outcome.state is state]
        if names:
            lines += _labelled(state.value, [paint(line, fg=style) for line in _wrapped(names)])
    return lines + _labelled("not triggered", _unjudged(shown))


def _unjudged(shown: Sequence[Outcome]) -> list[str]:
    """Detectors that were not triggered; those with one reason share a line."""
    reasons: dict[str, list[str]] = {}
    for outcome in shown:
        if outcome.state is State.NOT_TRIGGERED:
            reasons.setdefault(outcome.reason, []).append(outcome.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _wrapped(names: Sequence[str], width: int = 80) -> list[str]:
    """Names separated by commas, broken into lines of `width`."""
    lines = [""]
    for index, name in enumerate(names):
        piece = name + (", " if index < len(names) - 1 else "")
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _table(rows: Sequence[TrialRow], paint: Paint) -> str:
    cells = [_cells(row) for row in rows]
    sized = [HEAD, *(cell for cell in cells if len(cell) == len(HEAD))]
    widths = [max(len(row[column]) for row in sized) for column in range(len(HEAD))]
    widths[0] = max(widths[0], *(len(cell[0]) for cell in cells))
    lines = [paint(_line(HEAD, widths), bold=True)]
    for row, cell in zip(rows, cells, strict=True):
        lines.append(_line(cell, widths))
        if row.what:
            lines.append(f"  {row.verdict}: {row.what}" if row.verdict else f"  {row.what}")
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
    return "  ".join(padded).rstrip()


def _cells(row: TrialRow) -> tuple[str, ...]:
    if row.reason:
        return (row.trial, row.reason)
    left = [*row.not_cured, *(f"{code} (too short)" for code in row.unclear)]
    left += [f"{code} (new)" for code in row.brought]
    numbers = (show(row.peak), show(row.training), show(row.evaluation))
    return (row.trial, *numbers, " ".join(row.cured) or "-", " ".join(left) or "-")
