"""Two runs side by side: what was measured in each, and which findings went, stayed and came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trainlint.finding import Finding
from trainlint.fingerprint import fingerprints
from trainlint.lint.source import Source
from trainlint.runtime_checks.evaluations import evaluation_series
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import median
from trainlint.runtime_checks.table import final_loss, peak_norm

_LOSSES = ("final training loss", "final evaluation loss", "lowest evaluation loss")


@dataclass(frozen=True)
class Measure:
    """One number of each run; None where a run does not tell it."""

    name: str
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """How many times the one before; None where that says nothing."""
        if self.before is None or self.after is None:
            return None
        if not (self.before > 0 and math.isfinite(self.before) and math.isfinite(self.after)):
            return None
        return self.after / self.before


@dataclass(frozen=True)
class Comparison:
    """Measures, and findings by what became of them: those that stayed are the later run's."""

    measures: tuple[Measure, ...]
    gone: tuple[Finding, ...]
    stayed: tuple[Finding, ...]
    new: tuple[Finding, ...]


def compare_runs(
    before: tuple[Run, Sequence[Finding], Mapping[str, Source]],
    after: tuple[Run, Sequence[Finding], Mapping[str, Source]],
) -> Comparison:
    """Each a run with its findings and their sources, which tell them apart as in a baseline."""
    old, new = _by_fingerprint(before[1], before[2]), _by_fingerprint(after[1], after[2])
    return Comparison(
        tuple(_measures(before[0], after[0])),
        tuple(finding for key, finding in old.items() if key not in new),
        tuple(finding for key, finding in new.items() if key in old),
        tuple(finding for key, finding in new.items() if key not in old),
    )


def _by_fingerprint(
    findings: Sequence[Finding], sources: Mapping[str, Source]
) -> dict[str, Finding]:
    return dict(zip(fingerprints(findings, sources), findings, strict=True))


def _measures(before: Run, after: Run) -> list[Measure]:
    pairs = zip(_numbers(before), _numbers(after), strict=True)
    return [Measure(name, one, other) for (name, one), (_, other) in pairs]


def _numbers(run: Run) -> list[tuple[str, float | None]]:
    evaluations = next((one.evaluations for one in evaluation_series(run)), ())
    losses = [one.loss for one in evaluations]
    norms = [step.norm for step in run.steps if not step.skipped]
    return [
        ("optimizer steps", float(len(run.steps))),
        ("milliseconds a step", _pace(run)),
        (_LOSSES[0], final_loss(run)),
        (_LOSSES[1], losses[-1] if losses else None),
        (_LOSSES[2], min(losses, default=None)),
        ("median gradient norm", median(norms)),
        ("peak gradient norm", peak_norm(run)),
    ]


def _pace(run: Run) -> float | None:
    """The median time between steps, the probes' included."""
    seconds = [step.seconds for step in run.steps]
    gap = median(later - earlier for earlier, later in pairwise(seconds))
    return gap * 1e3 if gap is not None else None
