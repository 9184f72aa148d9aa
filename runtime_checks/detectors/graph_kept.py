"""RUN901: the graphs of past losses stay alive."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured


@detector("RUN901", Severity.WARNING, confirms=("TRN709",), needs=("steps",))
def graph_kept(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Losses of past steps are kept together with the graphs that they were computed by.

    Memory and time grow from step to step, until the run ends for want of memory.

    A sentinel in the graph of each loss that is trained on (in the steps that are looked at
    closely) dies with the graph. Found where eight are alive at once, and nearly all of the steps
    that were looked at since none was: a window of truncated backpropagation, or a few losses of
    one task, come to an end. The line is that which adds to the variable that holds them, if it is
    a local name or a global one, else that of the backward.

    Source: the PyTorch FAQ ("Don't accumulate history across your training loop").
    """
    if not run.kept:
        return
    last = run.kept[-1]
    if last.alive < limits.kept_graphs or last.alive < limits.kept_share * (last.looked - 1):
        yield Abstain(f"at most {max(one.alive for one in run.kept)} graphs were alive at once")
        return
    held = f"`{last.keeper}` holds them" if last.keeper else "something holds them"
    yield Found(
        last.site,
        f"the losses of past steps are kept with their graphs: {last.alive} of the {last.looked} "
        f"last looked at are alive at step {last.step}; {held}",
        hint="keep numbers: `.item()`, or `.detach()` for a tensor",
        evidence=tuple(measured("graphs alive", one.alive, one.step) for one in run.kept),
    )
