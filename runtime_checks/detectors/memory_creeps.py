"""RUN902: the memory of the process grows from step to step."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import Memory
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

_MB = 1e6


@detector("RUN902", Severity.WARNING, needs=("steps",))
def memory_creeps(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Memory grows with every step, pass after pass over the same data.

    Something keeps what each step makes: outputs, features, metrics in a list. A long run ends for
    want of memory.

    Judged on what the process holds, or torch of a GPU, after the second training pass has begun
    and a third of the run is over: what is read or cached once is in place by then. Found where,
    over eight looks or more, it grows at most of them and by 50 MB and 20 kB a step in all. Silent
    where passes were cut short or no loader is used (data may still be filling a cache or a replay
    memory), and where graphs are kept (RUN901), which explains it.
    """
    if run.kept and run.kept[-1].alive >= limits.kept_graphs:
        yield Abstain("graphs are kept, which explains it (RUN901)")
        return
    looks = _settled(run)
    if len(looks) < limits.memory_looks:
        yield Abstain(
            f"needs {limits.memory_looks} looks at memory after two whole passes over a loader, "
            f"saw {len(looks)}"
        )
        return
    for what, values in (
        ("memory of the process", [one.resident for one in looks]),
        ("memory on the GPU", [one.allocated for one in looks]),
    ):
        steps = looks[-1].step - looks[0].step
        growth = _growth(values)
        if growth >= max(limits.memory_growth, limits.memory_step * steps):
            yield Found(
                run.steps[-1].site,
                f"the {what} grows by {growth / steps / 1e3:.0f} kB a step: "
                f"{values[0] / _MB:.0f} MB at step {looks[0].step}, {values[-1] / _MB:.0f} MB at "
                f"step {looks[-1].step}",
                hint="look for a list that each step adds a tensor to; keep numbers, or write them "
                "out",
                evidence=(
                    measured(what, values[0], looks[0].step),
                    measured(what, values[-1], looks[-1].step),
                ),
            )
            return


def _settled(run: Run) -> Sequence[Memory]:
    """The looks after all data were seen, in the later part of the run."""
    late = run.steps[-1].step / 3
    return [one for one in run.memory if one.whole and one.passes > 2 and one.step >= late]


def _growth(values: Sequence[int]) -> float:
    """Bytes from the first look to the last, where most looks found more; else 0."""
    rises = statistics.fmean(after > before for before, after in pairwise(values))
    return values[-1] - values[0] if rises > 0.8 else 0.0
