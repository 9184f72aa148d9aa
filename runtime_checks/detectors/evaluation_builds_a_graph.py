"""RUN309: an evaluation records a graph that nothing goes back through."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN309", Severity.INFO, confirms=("TRN305",), needs=("models",))
def evaluation_builds_a_graph(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A model is evaluated with gradients on, and keeps every activation for nothing.

    `eval()` changes how layers compute, not whether a graph is recorded. An evaluation takes
    several times the memory that it needs, and more time; its numbers are right.

    Counted are calls of a model in evaluation mode whose output has a graph, and after which
    training goes on without a backward or `torch.autograd.grad` in between. Found from three on.

    Source: the PyTorch note "Autograd mechanics", on evaluation mode and no-grad mode.
    """
    latest = {(one.site, one.model): one for one in run.graph_evaluations}
    for one in latest.values():
        if one.calls < limits.graph_evaluations:
            yield Abstain(f"needs {limits.graph_evaluations} such calls, saw {one.calls}")
            continue
        model = run.models.get(one.model)
        name = model.name if model is not None else "the model"
        yield Found(
            one.site,
            f"`{name}` is evaluated with gradients on: {count(one.calls, 'call')} recorded a graph "
            "that nothing went back through",
            hint="evaluate under `with torch.no_grad():`",
            evidence=(measured("evaluated batches with a graph", one.calls, one.step),),
        )
