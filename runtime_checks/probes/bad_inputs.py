"""When a loss is no number: whether what went into the model was."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes.samples import tensors_in
from trainlint.runtime_checks.record import BadInput, Site
from trainlint.runtime_checks.state import Feeding, State

_MOST = 8


class BadInputs:
    """Remembers, weakly, the last batch and what the last root was given."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._batch: list[weakref.ref[Any]] = []
        self._loader: int | None = None
        self._given: list[weakref.ref[Any]] = []
        self._name = ""
        self._site: Site | None = None

    def batch(self, batch: Any, feeding: Feeding) -> None:
        """A loader gave a batch."""
        self._batch = _weak(batch)
        self._loader = feeding.loader

    def root(self, module: Any, args: Any, result: Any) -> None:
        """A root was called: of what it is given, only what no graph computed may be data."""
        if not torch.is_grad_enabled() or self._state.models.get(module) is None:
            return  # a loss has no weights
        given = (one for one in args if isinstance(one, torch.Tensor) and one.grad_fn is None)
        self._given = [weakref.ref(one) for one in given]
        self._name = type(module).__name__
        if self._state.window.is_open or self._site is None:
            self._site = user_site()

    def failed(self, what: str) -> None:
        """The first loss is there that is not finite."""
        if what != "loss":
            return
        for index, reference in enumerate(self._batch):
            if self._tell(reference(), f"tensor {index} of the batch", self._loader):
                return
        # Of several models, one is given what another computed.
        alone = len(self._state.roots()) == 1
        for index, reference in enumerate(self._given if alone else ()):
            if self._tell(reference(), f"argument {index} of `{self._name}`", None):
                return

    def _tell(self, tensor: Any, place: str, loader: int | None) -> bool:
        if tensor is None or not tensor.is_floating_point() or tensor.layout is not torch.strided:
            return False
        with torch.no_grad():
            bad = ~torch.isfinite(tensor.detach())
            if not tensor.numel() or not bad.any():
                return False
            rows = bad.reshape(len(bad), -1).any(1) if bad.dim() else bad.reshape(1)
            kind = "nan" if torch.isnan(tensor.detach()).any() else "inf"
        count, samples = int(bad.sum()), int(rows.sum())
        step = self._state.session.step
        self._state.session.emit(
            BadInput(step, self._site, loader, place, kind, count, samples, len(rows))
        )
        return True


def _weak(value: Any) -> list[weakref.ref[Any]]:
    return [weakref.ref(tensor) for tensor in list(tensors_in(value))[:_MOST]]


def install(state: State) -> None:
    """Be told of batches, roots and the first loss that is not finite."""
    probe = BadInputs(state)
    state.on_batch.append(probe.batch)
    state.after_root.append(probe.root)
    state.on_nonfinite.append(state.session.guarded(probe.failed))
