"""A short training loop, for those who have a model and data but no script yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count as numbers
from typing import Any

import torch
from torch.nn import utils

from trainlint.runtime_checks.budget import Budget
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.trials.norms import apply_norm

NORMS = {"spectral": "spectral_norm", "weight": "weight_norm"}


@dataclass(frozen=True)
class Loop:
    """What trains, on what, and how its gradients are clipped."""

    model: Any
    loss: Callable[[Any, Any], Any]
    optimizer: Any
    training: Iterable[Any]
    evaluation: Iterable[Any] | None
    device: Any
    clip_norm: float | None
    clip_value: float | None

    def apply_norm(self, norm: str, session: Session) -> None:
        """Parametrize the trained layers; raises ValueError where there are none."""
        if norm not in NORMS:
            raise ValueError(f"norm is {' or '.join(map(repr, NORMS))}, not {norm!r}")
        applied = apply_norm(NORMS[norm], self.model, [self.optimizer])
        if not applied.layers:
            raise ValueError(f"norm={norm!r}: {applied.sentence(NORMS[norm])}")
        session.note(applied.sentence(NORMS[norm]))

    def run(self, session: Session, budget: Budget) -> None:
        """Train, and evaluate after each pass, until `Stopped` or until no data is left."""
        self.model.to(self.device)
        evaluate = session.watch_loss(lambda *values: self.loss(*values))
        for _ in numbers():
            before = session.step
            self._train(session, budget)
            if session.step == before:
                return  # an iterator that is used up
            if self.evaluation is not None:
                self._evaluate(evaluate, session, budget)

    def _train(self, session: Session, budget: Budget) -> None:
        self.model.train()
        for inputs, targets in self._batches(self.training, session, budget):
            self.optimizer.zero_grad()
            self.loss(self._call(inputs), targets).backward()
            if self.clip_value is not None:
                utils.clip_grad_value_(self.model.parameters(), self.clip_value)
            if self.clip_norm is not None:
                utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
            self.optimizer.step()

    def _evaluate(self, loss: Callable[[Any, Any], Any], session: Session, budget: Budget) -> None:
        assert self.evaluation is not None
        self.model.eval()
        with torch.no_grad():
            for inputs, targets in self._batches(self.evaluation, session, budget):
                loss(self._call(inputs), targets)

    def _call(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            return self.model(**inputs)
        if isinstance(inputs, (tuple, list)):
            return self.model(*inputs)
        return self.model(inputs)

    def _batches(
        self, loader: Iterable[Any], session: Session, budget: Budget
    ) -> Iterator[tuple[Any, Any]]:
        """At most the share of the budget that one pass may take, each batch on the device."""
        for index, batch in enumerate(loader):
            session.check_budget()
            if index == budget.share:
                session.note(f"passes were cut short after {index} batches, so that several are "
                             "seen")  # fmt: skip
                return
            yield tuple(_moved(part, self.device) for part in _pair(batch))


def _pair(batch: Any) -> tuple[Any, Any]:
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], batch[1]
    size = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
    raise TypeError(
        f"a batch must be a pair (inputs, targets), not a {type(batch).__name__}{size}; inputs "
        "may be a tuple or a mapping of the model's arguments"
    )


def _moved(value: Any, device: Any) -> Any:
    """The same with every tensor in it on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_moved(item, device) for item in value]
    return value


def device_of(model: Any) -> Any:
    """Where a model's first parameter lies; the CPU for one without."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
