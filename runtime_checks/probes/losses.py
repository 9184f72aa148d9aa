"""Losses computed without a graph: the script's own evaluations."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.readings import Reading
from trainlint.runtime_checks.record import Evaluation, Site
from trainlint.runtime_checks.state import Feeding, State

_FUNCTIONS = """
    cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy
    binary_cross_entropy_with_logits kl_div poisson_nll_loss gaussian_nll_loss ctc_loss
    hinge_embedding_loss cosine_embedding_loss margin_ranking_loss multi_margin_loss
    multilabel_margin_loss multilabel_soft_margin_loss soft_margin_loss triplet_margin_loss
    triplet_margin_with_distance_loss
    """.split()


@dataclass
class _Sum:
    """The batches of one evaluation so far: those of one line, over one pass."""

    site: Site | None
    feeding: Feeding | None
    epoch: int  # when it began: the next may have begun before it is written
    readings: list[Reading] = field(default_factory=list)


class Losses:
    """Collects losses between two training steps; an evaluation is those of a line and a pass."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running = False
        self._sums: dict[tuple[Site | None, int], _Sum] = {}
        self._note = state.session.guarded(self._computed)
        self._tell = state.session.guarded(self._told)

    def patched(self, original: Any) -> Any:
        """A loss function of torch's that is noted; one calls another."""

        state = self._state

        @functools.wraps(original)
        def loss(*args: Any, **kwargs: Any) -> Any:
            graph = torch.is_grad_enabled()
            if self._running or (graph and not state.window.is_open) or not state.session.here():
                return original(*args, **kwargs)
            self._running = True
            try:
                result = original(*args, **kwargs)
            finally:
                self._running = False
            if graph:
                self._tell(original, args, kwargs, result)
            else:
                self._note(result)
            return result

        return loss

    def _told(self, original: Any, args: Any, kwargs: Any, result: Any) -> None:
        given = inspect.signature(original).bind(*args, **kwargs).arguments
        for look in self._state.on_loss:
            look(original.__name__, given, result)

    def _computed(self, result: Any) -> None:
        # Without a model that was called there is nothing that this could be the loss of.
        if not isinstance(result, torch.Tensor) or not self._state.evaluated:
            return
        with torch.no_grad():
            mean = result.detach().float().mean()
        site, feeding = user_site(), self._state.fed_by()
        # A pass that trains tells nothing of what is evaluated within it.
        feeding = None if feeding is None or feeding.trained else feeding
        sums = self._sums.setdefault((site, id(feeding)), _Sum(site, feeding, self._state.epoch))
        sums.readings.append(self._state.readings.read([mean.clone()]))

    def trains(self) -> None:
        """Before a backward: training goes on, by the pass at hand if there is one."""
        feeding = self._state.feeding
        if feeding is not None and not feeding.trained and feeding.iterator() is not None:
            feeding.trained = True
        if self._sums or self._state.evaluated:
            self.close()

    def close(self) -> None:
        """Write what was collected."""
        orders: dict[Site | None, int] = {}
        for sums in self._sums.values():
            order = orders[sums.site] = orders.get(sums.site, -1) + 1
            self._state.session.emit(self._evaluation(sums, order))
        self._sums.clear()
        self._state.evaluated.clear()

    def _evaluation(self, sums: _Sum, order: int) -> Evaluation:
        state = self._state
        values = [reading.values[0] for reading in sums.readings]
        feeding = sums.feeding
        source = feeding.source if feeding is not None and not feeding.trained else None
        return Evaluation(
            step=state.session.step,
            site=sums.site,
            loss=sum(values) / len(values),
            batches=len(values),
            models=list(state.evaluated),
            training_mode=any(state.evaluated.values()),
            epoch=sums.epoch,
            source=source,
            training_data=source in state.trained,
            order=order,
        )


def install(state: State, patches: Patches) -> None:
    """Patch the loss functions; the loss modules call them."""
    losses = Losses(state)
    for name in _FUNCTIONS:
        patches.replace(functional, name, losses.patched)
    state.session.watch_loss = losses.patched
    state.session.before_backward.append(state.session.guarded(losses.trains))
    state.session.at_end.append(state.session.guarded(losses.close))
