"""The trial `one-batch`: the training loader gives its first batch again and again."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
from torch.utils.data import dataloader as loading

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.record import TrialState
from trainlint.runtime_checks.series import count
from trainlint.runtime_checks.state import State


class OneBatch:
    """Hands out copies: the script may change in place what it is given."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._first: IdentityMap[Any] = IdentityMap()
        self._given = 0

    def next(self, original: Any) -> Any:
        """`__next__` of the loaders' iterators; the data are drawn as ever, and left aside."""

        @functools.wraps(original)
        def __next__(iterator: Any) -> Any:  # noqa: N807
            batch = original(iterator)
            # A pass without gradients is an evaluation.
            if not (torch.is_grad_enabled() and self._state.session.here()):
                return batch
            data = iterator._dataset
            if data not in self._first:
                self._first[data] = copy.deepcopy(batch)
            self._given += 1
            if self._given == 1:
                self.tell()
            return copy.deepcopy(self._first.get(data))

        return __next__

    def tell(self) -> None:
        """At the first batch, and at the end."""
        what = f"the first batch of the training data, {count(self._given, 'time')}"
        none = "the script trains on no DataLoader's batches"
        self._state.session.emit(TrialState(self._given > 0, what if self._given else none))


def install(state: State, patches: Patches) -> None:
    """Hand out the first batch from now on."""
    trial = OneBatch(state)
    patches.replace(loading._BaseDataLoaderIter, "__next__", trial.next)
    state.session.at_end.append(trial.tell)
