"""Which samples of which data set a loader goes through, where its sampler tells."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from torch.utils.data import RandomSampler, SequentialSampler, Subset, SubsetRandomSampler

_MOST = 1_000_000


class Part:
    """A part of a data set, by its indices; keeps neither alive."""

    def __init__(self, loader: Any) -> None:
        self._loader = weakref.ref(loader)

    def indices(self) -> tuple[int, Sequence[int]] | None:
        """The identity of the whole data set, and the indices into it; None: not known."""
        loader = self._loader()
        if loader is None:
            return None
        data, sampler = loader.dataset, getattr(loader, "sampler", None)
        chosen = _chosen(data, sampler)
        while chosen is not None and isinstance(data, Subset):
            known = data.indices
            chosen = [int(known[index]) for index in chosen]
            data = data.dataset
        return (id(data), chosen) if chosen is not None else None


def _chosen(data: Any, sampler: Any) -> Sequence[int] | None:
    """The indices that a sampler gives, in any order."""
    try:
        if type(sampler) in (RandomSampler, SequentialSampler):
            return range(len(data)) if len(data) <= _MOST else None
        if type(sampler) is SubsetRandomSampler:
            return [int(index) for index in sampler.indices]
    except TypeError:
        return None
    return None
