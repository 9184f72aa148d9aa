"""A judged run as JSON values: the `run` member of the output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from trainlint.runtime_checks.clipping import clip_summary
from trainlint.runtime_checks.curves import RunCurve, run_curves
from trainlint.runtime_checks.detection import Judgement, Outcome
from trainlint.runtime_checks.outcome import outcome_line
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import thin
from trainlint.runtime_checks.table import trial_rows

CURVE_POINTS = 200


def to_json(
    run: Run,
    judgement: Judgement,
    trials: Sequence[tuple[str, Run]] = (),
    not_run: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The run without its findings; non-finite numbers are the strings "nan", "inf", "-inf"."""
    clipping = clip_summary(run)
    rows = trial_rows(run, trials, not_run) if trials or not_run else []
    value = {
        "outcome": run.end.reason if run.end else "vanished",
        "summary": outcome_line(run),
        "reached_training": judgement.reached,
        "steps": len(run.steps),
        "seconds": run.end.seconds if run.end else None,
        "device": run.start.device if run.start else None,
        "notes": [
            *run.notes,
            *judgement.remarks,
            *([judgement.too_few] if judgement.too_few else []),
        ],
        "detectors": [_detector(outcome) for outcome in judgement.outcomes if outcome.default],
        "clipping": {**asdict(clipping), "share": clipping.share, "summary": clipping.sentence()},
        "evaluations": [asdict(evaluation) for evaluation in run.evaluations],
        "curves": [_curve(curve) for curve in run_curves(run)],
        "trials": [asdict(row) for row in rows],
    }
    plain: dict[str, Any] = plain_value(value)
    return plain


def _detector(outcome: Outcome) -> dict[str, Any]:
    state = outcome.state.value
    return {"code": outcome.code, "name": outcome.name, "state": state, "reason": outcome.reason}


def _curve(curve: RunCurve) -> dict[str, Any]:
    key = (lambda point: _height(point[1])) if curve.peaks else None
    return {"tag": curve.tag, "points": thin(curve.points, CURVE_POINTS, key)}


def _height(value: float) -> float:
    return math.inf if math.isnan(value) else value


def plain_value(value: Any) -> Any:
    """The same in what `json.dumps(allow_nan=False)` takes."""
    if isinstance(value, dict):
        return {key: plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
