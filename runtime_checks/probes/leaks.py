"""Samples that a model is trained on, and those that it is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from trainlint.runtime_checks.probes.batches import Batches, PassState
from trainlint.runtime_checks.record import Overlap, SharedIndices
from trainlint.runtime_checks.state import Feeding, State

# Samples that are kept of each model's training, and of each evaluation.
_MOST = 20_000
_MOST_PASSES = 64


@dataclass
class _Trained:
    """What one model was trained on."""

    samples: set[int] = field(default_factory=set)
    feedings: dict[int, Feeding] = field(default_factory=dict)  # by loader


@dataclass
class _Evaluated:
    """What one model was evaluated on: the data of one source."""

    feeding: Feeding
    samples: set[int] = field(default_factory=set)
    passes: int = 0


class Leaks:
    """Compares them by the hashes of samples, and by the indices of two loaders of one data set."""

    def __init__(self, state: State, batches: Batches) -> None:
        self._state = state
        self._batches = batches
        self._called: set[int] = set()
        self._trained: dict[int, _Trained] = {}
        self._evaluated: dict[tuple[int, int], _Evaluated] = {}
        # Those of a pass that may yet train: told once it is over.
        self._pending: dict[tuple[int, int], tuple[PassState, set[int]]] = {}
        self._compared: set[tuple[int, int, int]] = set()
        # How often a sample came again within a pass, and in how many pairs.
        self._again: dict[int, tuple[int, int]] = {}

    def called(self, module: Any, args: Any, result: Any) -> None:
        """A root was called: with a graph to train it, without one to evaluate it, it may be."""
        known = self._batches.latest
        if known is None or known.latest is None:
            return
        model = self._state.models.get(module)
        if model is None:
            return
        if torch.is_grad_enabled():
            self._called.add(model.id)
        elif not known.feeding.trained and self._state.fed_by() is known.feeding:
            key = model.id, known.feeding.source
            before = self._pending.get(key)
            if before is None or before[0] is not known:
                self._settle()
                self._pending[key] = before = known, set()
            before[1].update(known.latest)

    def backward(self) -> None:
        """The models called since the last one are trained on the batch at hand."""
        known, models = self._batches.latest, self._called
        if known is None or known.latest is None or not models:
            return
        self._called = set()
        if self._state.fed_by() is not known.feeding:
            return
        if len(self._again) < _MOST_PASSES:
            self._again[id(known)] = known.rows - len(known.samples), known.rows
        for model in models:
            trained = self._trained.setdefault(model, _Trained())
            trained.feedings.setdefault(known.feeding.loader, known.feeding)
            if len(trained.samples) < _MOST:
                trained.samples.update(known.latest)

    def _settle(self) -> None:
        """Take what was pending for an evaluation, unless its pass has trained since."""
        pending, self._pending = self._pending, {}
        for (model, source), (known, samples) in pending.items():
            if known.feeding.trained:
                continue
            found = self._evaluated.setdefault((model, source), _Evaluated(known.feeding))
            found.passes += 1
            if len(found.samples) < _MOST:
                found.samples.update(samples)
            self._compare(model, found.feeding)
            if found.passes & (found.passes - 1) == 0:
                self._tell(model, source, found)

    def _compare(self, model: int, feeding: Feeding) -> None:
        """By indices, once for each two loaders."""
        trained = self._trained.get(model)
        for other in list(trained.feedings.values()) if trained is not None else ():
            key = model, other.loader, feeding.loader
            if key in self._compared or len(self._compared) > 64:
                continue
            self._compared.add(key)
            first = other.part.indices() if other.part else None
            second = feeding.part.indices() if feeding.part else None
            if first is None or second is None or first[0] != second[0]:
                continue
            shared = len(set(first[1]) & set(second[1]))
            self._state.session.emit(
                SharedIndices(
                    step=self._state.session.step,
                    model=model,
                    training=other.loader,
                    loader=feeding.loader,
                    trained=len(first[1]),
                    evaluated=len(second[1]),
                    shared=shared,
                )
            )

    def _tell(self, model: int, source: int, found: _Evaluated) -> None:
        trained = self._trained.get(model)
        if trained is None or not found.samples or not trained.samples:
            return
        self._state.session.emit(
            Overlap(
                step=self._state.session.step,
                model=model,
                loader=found.feeding.loader,
                source=source,
                trained=len(trained.samples),
                evaluated=len(found.samples),
                met=len(found.samples & trained.samples),
                chance=self._chance(trained),
            )
        )

    def _chance(self, trained: _Trained) -> float:
        """The share of an evaluation that would be met though nothing leaked."""
        if all(one.source in self._batches.fine for one in trained.feedings.values()):
            return 0.0
        # Where there are few different samples, pairs are counted too low: most come again.
        often = max((repeats / max(rows, 1) for repeats, rows in self._again.values()), default=0.0)
        return min(1.0, max(often, self._coincidence() * len(trained.samples)))

    def _coincidence(self) -> float:
        """How likely two samples are the same: at most, since three more are added to the count."""
        again = sum(repeats for repeats, _ in self._again.values())
        pairs = sum(rows * (rows - 1) / 2 for _, rows in self._again.values())
        return (again + 3) / max(pairs, 1.0)

    def close(self) -> None:
        """Nothing more will come."""
        self._settle()
        for (model, source), found in self._evaluated.items():
            self._tell(model, source, found)


def install(state: State, batches: Batches) -> None:
    """Be told of roots and backwards."""
    leaks = Leaks(state, batches)
    state.after_root.append(leaks.called)
    state.session.before_backward.append(state.session.guarded(leaks.backward))
    state.session.at_end.append(state.session.guarded(leaks.close))
