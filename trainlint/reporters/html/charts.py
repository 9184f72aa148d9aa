"""The charts of a page, as Plotly draws them, and the tables that stand for them without it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainlint.finding import Finding
from trainlint.runtime_checks.curves import RunCurve, run_curves
from trainlint.runtime_checks.record import OptimizerInfo, Step
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import Point, show, thin

POINTS = 500
ROWS = 12  # of the table of a chart
LAYERS = 60  # of the heat map
COLUMNS = 120
# Readable on white and on black alike, and apart for those who see few colours (Okabe and Ito).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
GRAY = "#888888"

_TITLES = {
    "loss": "Loss",
    "gradient norm": "Gradient norm",
    "update ratio": "Update of the weights, relative to their size",
    "learning rate": "Learning rate",
}


@dataclass(frozen=True)
class Table:
    """Rows of text under one head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A figure for Plotly, and its numbers as a table."""

    title: str
    figure: dict[str, Any]
    table: Table


def make_charts(
    run: Run, findings: Sequence[Finding], trials: Sequence[tuple[str, Run]] = ()
) -> list[Chart]:
    """Losses by phase, norms, updates, learning rates, the layers' heat map, and the trials."""
    groups: dict[str, list[RunCurve]] = {}
    for curve in run_curves(run):
        groups.setdefault(curve.tag.partition("/")[0], []).append(curve)
    marks = finding_steps(findings)
    charts = [_chart(kind, curves, marks) for kind, curves in groups.items()]
    charts += [chart for one in _heat_maps(run, marks) for chart in one]
    if trials:
        charts.append(_trials_chart(run, trials))
    return charts


def finding_steps(findings: Iterable[Finding]) -> list[tuple[int, str]]:
    """The first step of each finding that knows one, with its code."""
    found = set()
    for finding in findings:
        steps = [fact.step for fact in finding.evidence if fact.step is not None]
        if steps:
            found.add((min(steps), finding.code))
    return sorted(found)


def _chart(kind: str, curves: Sequence[RunCurve], marks: Sequence[tuple[int, str]]) -> Chart:
    drawn = [(_name(curve), thin(curve.points, POINTS, _key(curve))) for curve in curves]
    logarithmic = kind != "loss" or _is_steep(drawn)
    figure = _figure(_lines(drawn), marks, logarithmic=logarithmic)
    return Chart(_TITLES.get(kind, kind), figure, _table(drawn))


def _name(curve: RunCurve) -> str:
    return curve.tag.partition("/")[2].replace("/", ", ") or curve.tag


def _key(curve: RunCurve) -> Any:
    """Of what is known by its peaks, the greatest value of a stretch is drawn."""
    if not curve.peaks:
        return None
    return lambda point: math.inf if math.isnan(point[1]) else point[1]


def _is_steep(drawn: Sequence[tuple[str, Sequence[Point]]]) -> bool:
    """Whether values are all positive, and of many sizes."""
    values = [value for _, points in drawn for _, value in points if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 50 * min(values)


def _lines(drawn: Sequence[tuple[str, Sequence[Point]]]) -> list[dict[str, Any]]:
    traces = []
    for index, (name, points) in enumerate(drawn):
        traces.append({
            "type": "scatter",
            "mode": "lines+markers" if len(points) < 30 else "lines",
            "name": name,
            "x": [step for step, _ in points],
            "y": [_number(value) for _, value in points],
            "line": {"color": COLORS[index % len(COLORS)], "width": 2},
            "marker": {"size": 5},
        })  # fmt: skip
    return traces


def _number(value: float) -> float | None:
    """JSON has no other numbers; Plotly leaves a gap at None."""
    return value if math.isfinite(value) else None


def _figure(
    traces: list[dict[str, Any]], marks: Sequence[tuple[int, str]], *, logarithmic: bool
) -> dict[str, Any]:
    """Transparent, in grays that can be read on any ground; a dotted line at each finding."""
    axis = {"gridcolor": "rgba(136,136,136,0.25)", "zerolinecolor": GRAY, "linecolor": GRAY}
    lines = [
        {
            "type": "line", "xref": "x", "yref": "paper", "x0": step, "x1": step, "y0": 0, "y1": 1,
            "line": {"color": COLORS[1], "width": 1, "dash": "dot"},
        }
        for step, _ in marks
    ]  # fmt: skip
    labels = [
        {
            "x": step, "y": 1, "xref": "x", "yref": "paper", "text": code, "showarrow": False,
            "font": {"size": 10, "color": COLORS[1]}, "textangle": -90,
            "xanchor": "right", "yanchor": "top",
        }
        for step, code in marks
    ]  # fmt: skip
    return {
        "data": traces,
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": GRAY},
            "margin": {"l": 56, "r": 16, "t": 16, "b": 44},
            "height": 320,
            "legend": {"orientation": "h", "y": -0.2},
            "hovermode": "x unified",
            "xaxis": {**axis, "title": {"text": "optimizer step"}},
            "yaxis": {**axis, "type": "log" if logarithmic else "linear"},
            "shapes": lines,
            "annotations": labels,
        },
    }


def _table(drawn: Sequence[tuple[str, Sequence[Point]]]) -> Table:
    """A few steps of each curve; a dash where one has no value there."""
    steps = sorted({step for _, points in drawn for step, _ in points})
    kept = [step for step, _ in thin([(step, 0.0) for step in steps], ROWS)]
    values = [dict(points) for _, points in drawn]
    rows = tuple(
        (str(step), *(show(value.get(step)) for value in values))
        for step in sorted({*kept, *steps[:1]})
    )
    return Table(("step", *(name for name, _ in drawn)), rows)


def _heat_maps(run: Run, marks: Sequence[tuple[int, str]]) -> Iterable[list[Chart]]:
    """Of each optimizer, the gradient norm of each of its tensors over the steps."""
    for number, info in run.optimizers.items():
        steps = [step for step in run.steps_of(number) if _has_all(step, info)]
        if len(steps) > 1 and len(info.parameters) > 1:
            yield [_heat_map(run, info, steps[:: -(-len(steps) // COLUMNS)], marks)]


def _has_all(step: Step, info: OptimizerInfo) -> bool:
    return bool(step.norms) and len(step.norms or ()) == len(info.parameters)


def _heat_map(
    run: Run, info: OptimizerInfo, steps: Sequence[Step], marks: Sequence[tuple[int, str]]
) -> Chart:
    stride = -(-len(info.parameters) // LAYERS)
    rows = range(0, len(info.parameters), stride)
    names = [info.parameters[row] for row in rows]
    norms = [[(step.norms or [])[row] for step in steps] for row in rows]
    figure = _figure(
        [
            {
                "type": "heatmap",
                "x": [step.step for step in steps],
                "y": names,
                "z": [[_size(norm) for norm in row] for row in norms],
                "colorscale": "Viridis",
                "colorbar": {"title": {"text": "log10"}, "outlinewidth": 0},
                "hovertemplate": "%{y}, step %{x}: 10^%{z:.2f}<extra></extra>",
            }
        ],
        marks,
        logarithmic=False,
    )
    layout = figure["layout"]
    layout["yaxis"] = {"autorange": "reversed", "automargin": True, "type": "category"}
    layout["height"] = max(240, 90 + 18 * len(names))
    layout["hovermode"] = "closest"
    first, last = steps[0], steps[-1]
    table = Table(
        ("tensor", f"at step {first.step}", f"at step {last.step}", "greatest"),
        tuple(
            (name, show(row[0]), show(row[-1]), show(max(row, key=_rank)))
            for name, row in zip(names, norms, strict=True)
        ),
    )
    suffix = f" of {info.name}" if len(run.optimizers) > 1 else ""
    return Chart(f"Gradient norm of each tensor{suffix}", figure, table)


def _size(norm: float) -> float | None:
    return math.log10(norm) if math.isfinite(norm) and norm > 0 else None


def _rank(norm: float) -> float:
    return math.inf if math.isnan(norm) else norm


def _trials_chart(run: Run, trials: Sequence[tuple[str, Run]]) -> Chart:
    """The training loss of the plain run beside each trial's."""
    drawn = [
        (name, thin([(s.step, s.loss) for s in one.steps if s.loss is not None], POINTS))
        for name, one in (("plain", run), *trials)
    ]
    figure = _figure(_lines(drawn), (), logarithmic=_is_steep(drawn))
    return Chart("Training loss of the trials", figure, _table(drawn))
