"""What is known of a run's loaders: what the detectors of data ask."""

from __future__ import annotations

from collections import defaultdict

from trainlint.runtime_checks.record import BatchOrder, LoaderInfo, Site
from trainlint.runtime_checks.run import Run


def site_of(run: Run, loader: int | None) -> Site | None:
    """Where a loader was made; where its first pass began, if that is not known."""
    info = run.loaders.get(loader) if loader is not None else None
    if info is not None and info.site is not None:
        return info.site
    return next((one.site for one in run.passes if one.loader == loader), None)


def passes_by_source(run: Run) -> dict[int, list[BatchOrder]]:
    """The passes over each source of data, the last word on each, in order."""
    found: dict[int, dict[int, BatchOrder]] = defaultdict(dict)
    for order in run.batch_orders:
        found[order.source][order.number] = order
    return {source: [passes[key] for key in sorted(passes)] for source, passes in found.items()}


def training_loaders(run: Run) -> list[LoaderInfo]:
    """The loaders during whose passes a backward came."""
    trained = {order.loader for order in run.batch_orders if order.trained}
    return [info for number, info in run.loaders.items() if number in trained]
