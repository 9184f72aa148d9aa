"""Times training loops under observation against the same loops bare, in one process.

    python benchmarks/overhead.py [--rounds N] [--steps N] [--only NAME]

The ways of watching take turns within each round, each with a model of its own from one seed; the
ratio against the bare loop of the same round is what counts: machines differ, and are noisy. All
steps are counted, those that are looked at closely among them; making the model is not. Peers are
timed where they are installed (traceml-ai is not: without a server of its own it watches nothing).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

import torch
from torch import nn

from trainlint.runtime_checks.budget import Budget
from trainlint.runtime_checks.child import Recorder
from trainlint.runtime_checks.install import watching
from trainlint.runtime_checks.record import Start
from trainlint.runtime_checks.session import Session

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Eye:
    """What watches a loop, and is told of the loss of each step."""

    tell: Callable[[torch.Tensor], object] = lambda loss: None


Inside = Callable[[nn.Module, torch.optim.Optimizer], AbstractContextManager[Eye]]


@contextlib.contextmanager
def nothing(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Eye]:
    """Where all is done around the whole loop, or nothing."""
    yield Eye()


@dataclass(frozen=True)
class Way:
    """How a loop is watched: from before its model is made, and from then on."""

    outside: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    inside: Inside = nothing
    package: str = ""  # what it needs


def mlp() -> tuple[nn.Module, Batch]:
    """Some 0.4 ms a step."""
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    return model, (torch.randn(64, 64), torch.randint(0, 10, (64,)))


def cnn() -> tuple[nn.Module, Batch]:
    """A small image classifier."""
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    return nn.Sequential(*layers), (torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,)))


class Language(nn.Module):  # type: ignore[misc]
    """A transformer of 11 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(4096, 320)
        layer = nn.TransformerEncoderLayer(320, 8, 1280, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 7, enable_nested_tensor=False)
        self.head = nn.Linear(320, 4096)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits, classes second."""
        logits: torch.Tensor = self.head(self.encoder(self.embed(tokens))).transpose(1, 2)
        return logits


def transformer() -> tuple[nn.Module, Batch]:
    """One short batch of tokens."""
    tokens = torch.randint(0, 4096, (2, 32))
    return Language(), (tokens, tokens.roll(-1, 1))


MODELS = {"mlp": (mlp, 3000), "cnn": (cnn, 200), "transformer": (transformer, 30)}


def train(make: Callable[[], tuple[nn.Module, Batch]], steps: int, inside: Inside) -> float:
    """Milliseconds of processor time a step, of all threads."""
    torch.manual_seed(0)
    model, (x, y) = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    criterion = nn.CrossEntropyLoss()
    gc.collect()
    with inside(model, optimizer) as eye:
        start = time.process_time()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            eye.tell(loss)
        return (time.process_time() - start) / steps * 1e3


@contextlib.contextmanager
def trainlint() -> Iterator[None]:
    """As the watched process does it, with its record on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(os.path.join(folder, "record.jsonl"))
        session = Session(recorder.write, Budget(10**9, 10**9))
        session.patient = recorder.be_patient
        session.begin(Start(__file__, [], torch.__version__, "", "cpu", 10**9, 10**9))
        with watching(session):
            yield


@contextlib.contextmanager
def torch_audit(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Eye]:
    """Every step, as it does if not told otherwise."""
    from torch_audit import autopatch

    auditor = autopatch(model, optimizer=optimizer, every_n_steps=1)
    try:
        yield Eye()
    finally:
        auditor.unpatch()


@contextlib.contextmanager
def torchmortem(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Eye]:
    """With its default sampling."""
    from torchmortem import Autopsy

    with Autopsy(model, optimizer=optimizer) as autopsy:
        yield Eye(tell=lambda loss: autopsy.step(loss=loss.item()))


@contextlib.contextmanager
def neuraldbg(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Eye]:
    """As its page shows it."""
    from neuraldbg import NeuralDbg

    with NeuralDbg(model) as debugger:
        yield Eye(tell=lambda loss: debugger.record_loss(loss.item()))


WAYS = {
    "bare": Way(),
    "trainlint": Way(trainlint),
    "anomaly mode": Way(torch.autograd.detect_anomaly),
    "torch-audit": Way(inside=torch_audit, package="torch_audit"),
    "torchmortem": Way(inside=torchmortem, package="torchmortem"),
    "neuraldbg": Way(inside=neuraldbg, package="neuraldbg"),
}


def main() -> None:
    """Time each model, and print a line for each way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="of each model; its own number if not given")
    parser.add_argument("--only", choices=sorted(MODELS))
    there = [name for name, way in WAYS.items() if not way.package or find_spec(way.package)]
    parser.add_argument("--ways", nargs="*", default=there, choices=there)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, (make, steps) in MODELS.items():
        if args.only in (None, name):
            rounds = [_round(make, args.steps or steps, args.ways) for _ in range(args.rounds)]
            _print(name, rounds)


def _round(
    make: Callable[[], tuple[nn.Module, Batch]], steps: int, ways: list[str]
) -> dict[str, float]:
    times = {}
    for way in ways:
        with WAYS[way].outside():
            times[way] = train(make, steps, WAYS[way].inside)
    return times


def _print(name: str, rounds: list[dict[str, float]]) -> None:
    for way in rounds[0]:
        ratio = median(one[way] / one["bare"] for one in rounds)
        print(f"{name:<12} {way:<14} {median(one[way] for one in rounds):8.3f} ms {ratio:6.3f} x")


if __name__ == "__main__":
    main()
