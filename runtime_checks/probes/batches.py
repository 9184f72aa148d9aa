"""What loaders give: the order of batches, and samples that come twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainlint.runtime_checks.probes.samples import hash_samples, is_constant, is_fine
from trainlint.runtime_checks.record import BatchOrder
from trainlint.runtime_checks.state import Feeding, State

# Of each pass so many batches are hashed for their order, and of so many passes.
_BATCHES = 4
_PASSES = 16
# Workers take turns: a repeated batch is seen in three rounds of them.
_ROUNDS = 3
_MOST_WORKERS = 16
# A stream that workers read is looked at from its beginning, up to so many batches.
_STREAM = 128
# Samples of one pass that are kept.
_MOST = 20_000
# Of evaluations, so many batches in all.
_EVALUATED = 64


@dataclass
class PassState:
    """A pass over a loader, and what was hashed of it."""

    feeding: Feeding
    number: int
    batches: list[int] = field(default_factory=list)
    samples: set[int] = field(default_factory=set)
    rows: int = 0
    least: int = 0
    taken: int = 0
    constant: bool = False
    whole: bool = True  # every batch so far was hashed
    told: bool = False
    trained: bool = False  # a backward came after a batch of it, its iterator kept or not
    # The samples of the batch at hand, in order; None: it was not looked at.
    latest: list[int] | None = None

    def add(self, rows: list[int], keep: bool) -> None:
        """One more batch; kept for the order, or only for its samples."""
        self.latest = rows
        if self.rows < _MOST:
            self.samples.update(rows)
            self.rows += len(rows)
        if keep:
            different = len(set(rows))
            self.least = min(self.least, different) if self.batches else different
            self.batches.append(hash(tuple(rows)))


class Batches:
    """Hashes batches: the first of each pass, those of steps looked at, those of evaluations."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._passes: dict[int, PassState] = {}
        self._counts: dict[int, int] = {}
        self._evaluated: dict[int, int] = {}
        self.latest: PassState | None = None
        # Sources whose samples are never equal by chance.
        self.fine: set[int] = set()

    def look(self, batch: Any, feeding: Feeding) -> None:
        """A loader gave a batch."""
        known = self._passes.get(feeding.loader)
        if known is None or known.feeding is not feeding:
            known = self._begin(feeding)
        self.latest = known
        known.taken += 1
        ordered = self._is_ordered(known)
        if not (ordered or self._state.window.is_open or self._is_evaluated(known)):
            known.whole = False
            known.latest = None
            return
        rows = hash_samples(batch)
        if known.taken == 1 and rows:
            known.constant = is_constant(batch)
            if not known.number and is_fine(batch):
                self.fine.add(feeding.source)
        known.add(rows, ordered and bool(rows))
        if len(known.batches) == _BATCHES and not known.told and feeding.workers < 2:
            self._tell(known)

    def _begin(self, feeding: Feeding) -> PassState:
        for known in list(self._passes.values()):
            if known.feeding.loader == feeding.loader or known.feeding.iterator() is None:
                self._end(known)
        number = self._counts.get(feeding.source, 0)
        self._counts[feeding.source] = number + 1
        known = self._passes[feeding.loader] = PassState(feeding, number)
        return known

    def _is_ordered(self, known: PassState) -> bool:
        if known.number >= _PASSES:
            return False
        if not known.number and known.feeding.workers > 1:
            workers = min(known.feeding.workers, _MOST_WORKERS)
            return known.taken <= (_STREAM if known.feeding.iterable else _ROUNDS * workers)
        return known.taken <= _BATCHES

    def _is_evaluated(self, known: PassState) -> bool:
        """Whether it is a batch of an evaluation, and not too many of these were hashed."""
        if known.feeding.grad or known.feeding.trained:
            return False
        count = self._evaluated.get(known.feeding.source, 0)
        self._evaluated[known.feeding.source] = count + 1
        return count < _EVALUATED

    def _end(self, known: PassState) -> None:
        del self._passes[known.feeding.loader]
        if not known.told or known.trained:
            self._tell(known)

    def _tell(self, known: PassState) -> None:
        """Write the order: once there is enough of it, and again when the pass is over."""
        if known.number >= _PASSES or not known.batches:
            return
        known.told = True
        self._state.session.emit(
            BatchOrder(
                step=self._state.session.step,
                loader=known.feeding.loader,
                source=known.feeding.source,
                number=known.number,
                batches=known.batches,
                taken=known.taken,
                rows=known.rows,
                distinct=len(known.samples),
                least=known.least,
                trained=known.trained,
                constant=known.constant,
                ended=known.whole and known.feeding.ended,
            )
        )

    def backward(self) -> None:
        """Before a backward: the pass that gave the last batch trains."""
        known = self.latest
        if known is not None and known.feeding.grad and not known.feeding.ended:
            known.trained = True

    def close(self) -> None:
        """Nothing more will come."""
        for known in list(self._passes.values()):
            self._end(known)


def install(state: State) -> Batches:
    """Be told of each batch."""
    batches = Batches(state)
    state.on_batch.append(batches.look)
    state.session.before_backward.append(state.session.guarded(batches.backward))
    state.session.at_end.append(state.session.guarded(batches.close))
    return batches
