"""DataLoader: its training passes, cut short where one would take more than its share.

Only a `for` statement's pass is cut: it runs on after the loop as if the data had ended. A script
that asks for each batch itself, by `next`, counts on as many as there are, and one that evaluates
compares what it collects with the data set.
"""

from __future__ import annotations

import dis
import functools
import sys
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data import dataloader as loading
from torch.utils.data.distributed import DistributedSampler

from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes.parts import Part
from trainlint.runtime_checks.record import Cut, LoaderInfo, Pass
from trainlint.runtime_checks.state import Feeding, State

_WHOLE = (RandomSampler, SequentialSampler, loading._InfiniteConstantSampler)


@dataclass
class _Loader:
    """A loader and its running pass."""

    number: int
    length: int | None
    source: int
    began: int = 0
    batches: int = 0
    training: bool = True
    feeding: Feeding | None = None


class Loading:
    """Sees the passes; `share` is the most steps, or batches without a step, that one may take."""

    def __init__(self, state: State) -> None:
        self._state = state
        budget = state.session.budget
        self._share = budget.share if budget is not None else None
        self._loaders: IdentityMap[_Loader] = IdentityMap()
        self._running: IdentityMap[_Loader] = IdentityMap()
        self._sources: IdentityMap[int] = IdentityMap()
        self._begin = state.session.guarded(self._begun)
        self._given = state.session.guarded(self._gave)

    def iterates(self, original: Any) -> Any:
        """`DataLoader.__iter__`."""

        @functools.wraps(original)
        def __iter__(loader: Any) -> Any:  # noqa: N807
            iterator = original(loader)
            if self._state.session.here():
                self._begin(loader, iterator)
            return iterator

        return __iter__

    def next(self, original: Any) -> Any:
        """`__next__` of its iterators."""

        @functools.wraps(original)
        def __next__(iterator: Any) -> Any:  # noqa: N807
            running = self._running.get(iterator) if self._state.session.here() else None
            if running is None:
                return original(iterator)
            self._state.session.beat()
            self._state.session.check_budget()
            if self._is_spent(running) and _in_for_statement():
                self._cut(running)
                self._state.window.stir()
                raise StopIteration
            running.batches += 1
            try:
                batch = original(iterator)
            except StopIteration:
                self._state.feeding = None
                self._state.window.stir()
                if running.feeding is not None:
                    running.feeding.ended = True
                raise
            self._state.feeding = running.feeding
            if self._state.on_batch and running.feeding is not None:
                self._given(batch, running.feeding)
            return batch

        return __next__

    def _gave(self, batch: Any, feeding: Feeding) -> None:
        for look in self._state.on_batch:
            look(batch, feeding)

    def _begun(self, loader: Any, iterator: Any) -> None:
        state = self._state
        state.window.stir()
        known = self._loaders.get(loader)
        if known is None:
            number = state.session.number()
            known = _Loader(number, _length(loader), self._source(loader, number))
            self._loaders[loader] = known
            state.session.emit(self._describe(loader, known))
        known.began, known.batches = state.session.step, 0
        known.training = torch.is_grad_enabled()
        known.feeding = Feeding(
            known.source,
            weakref.ref(iterator),
            known.training,
            loader=known.number,
            workers=_workers(loader),
            iterable=isinstance(loader.dataset, IterableDataset),
            part=Part(loader),
        )
        self._running[iterator] = known
        state.epoch += known.training
        state.session.emit(
            Pass(
                step=state.session.step,
                site=user_site(),
                loader=known.number,
                length=known.length,
                batch_size=loader.batch_size if isinstance(loader.batch_size, int) else None,
                training=known.training,
            )
        )

    def _describe(self, loader: Any, known: _Loader) -> LoaderInfo:
        data, sampler = loader.dataset, getattr(loader, "sampler", None)
        return LoaderInfo(
            id=known.number,
            source=known.source,
            site=self._state.sites.get(loader),
            length=known.length,
            workers=_workers(loader),
            sampler=type(sampler).__name__,
            shuffles=_shuffles(sampler),
            iterable=isinstance(data, IterableDataset),
            dataset=type(data).__name__,
            size=_length(data),
        )

    def born(self, original: Any) -> Any:
        """`DataLoader.__init__`."""
        state = self._state

        @functools.wraps(original)
        def __init__(loader: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            original(loader, *args, **kwargs)
            if state.session.here():
                state.sites[loader] = user_site(loader)

        return __init__

    def _source(self, loader: Any, number: int) -> int:
        """The number of a loader's data: of the data set, where the loader goes through all of it.

        A sampler of another kind may pick a part: the two loaders of one data set may be a split.
        """
        data = getattr(loader, "dataset", None)
        whole = type(getattr(loader, "sampler", None)) in _WHOLE and type(
            getattr(loader, "batch_sampler", None)
        ) in (BatchSampler, type(None))
        key = data if whole and _can_be_kept(data) else loader
        known = self._sources.get(key)
        if known is None:
            known = self._sources[key] = number
        return known

    def trained(self) -> None:
        """After a step: the pass at hand trains, unless it began without a graph."""
        feeding = self._state.fed_by()
        if feeding is not None and feeding.grad:
            self._state.trained.add(feeding.source)

    def _is_spent(self, running: _Loader) -> bool:
        if self._share is None or not running.training or running.batches == running.length:
            return False
        steps = self._state.session.step - running.began
        return steps >= self._share or (not steps and running.batches >= self._share)

    def _cut(self, running: _Loader) -> None:
        session = self._state.session
        session.cut = True
        session.emit(Cut(session.step, running.number, running.batches, running.length))
        length = f" of {running.length}" if running.length is not None else ""
        session.note(
            f"training passes over a loader were cut short after {running.batches}{length} batches,"
            " so that several epochs are seen: what the script averages over len(loader) is too low"
            " then (--whole-passes leaves them whole)"
        )


def _in_for_statement() -> bool:
    """Whether the caller of `__next__` stands at a `for`, in a statement or a comprehension."""
    frame = sys._getframe(2)
    at = frame.f_lasti
    return at >= 0 and dis.opname[frame.f_code.co_code[at]] == "FOR_ITER"


def _can_be_kept(data: Any) -> bool:
    """Whether something can be referred to without being kept alive, as a list cannot."""
    try:
        weakref.ref(data)
    except TypeError:
        return False
    return True


def _length(sized: Any) -> int | None:
    try:
        return len(sized)
    except TypeError:
        return None  # an IterableDataset


def _workers(loader: Any) -> int:
    workers = getattr(loader, "num_workers", 0)
    return workers if isinstance(workers, int) else 0


def _shuffles(sampler: Any) -> bool | None:
    """Whether a sampler of torch's gives another order each time; None: not known."""
    if isinstance(sampler, DistributedSampler):
        return bool(sampler.shuffle)
    if isinstance(sampler, (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)):
        return True
    return False if isinstance(sampler, SequentialSampler) else None


def install(state: State, patches: Patches) -> None:
    """Patch the loader and the class that its iterators have in common."""
    probe = Loading(state)
    state.session.after_step.append(probe.trained)
    patches.replace(DataLoader, "__init__", probe.born)
    patches.replace(DataLoader, "__iter__", probe.iterates)
    base = getattr(loading, "_BaseDataLoaderIter", None)
    if base is not None:
        patches.replace(base, "__next__", probe.next)
