"""What ReLU, tanh and sigmoid gave, as the graph of a backward has kept it.

The graph knows them however they were written: as a module, a function or a method. Nothing is
hooked or patched for it, and nothing is looked at that a script packs away (checkpointing).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.probes.graph import Graph, read_graph
from trainlint.runtime_checks.record import Activation, Order
from trainlint.runtime_checks.state import State

# Backwards that make a block; at the end, fewer do.
_BLOCK = 20
_LAST = 10
# Beyond this part of its range an activation is saturated (Rakitianskaia and Engelbrecht 2015).
_SATURATED = 0.85
_KINDS = {"ReluBackward0": "relu", "TanhBackward0": "tanh", "SigmoidBackward0": "sigmoid"}


@dataclass
class _Block:
    """What the units of one activation did so far: how far they went, or how high."""

    units: Any
    batches: int = 0
    samples: int = 0
    number: int = 0


class Activations:
    """Looks at the graphs of backwards while the window is open."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._blocks: dict[tuple[str, int, str], _Block] = {}
        self._orders: list[list[str]] = []
        self.packed = False  # the script has a say in how tensors are kept

    def look(self, tensors: Any) -> None:
        """Before a backward of these tensors."""
        if not self._state.window.is_open or self.packed:
            return
        roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
        graph = read_graph([root.grad_fn for root in roots if root.grad_fn is not None], _KINDS)
        if graph is None:
            return
        self._note_order(graph)
        for node in graph.wanted:
            self._take(graph, node)

    def _note_order(self, graph: Graph) -> None:
        owners = (self._state.names.get(weight) for weight in graph.weights())
        names = [owner[1] for owner in owners if owner is not None]
        if len(names) >= 4 and names not in self._orders and len(self._orders) < 4:
            self._orders.append(names)
            self._state.session.emit(Order(self._state.session.step, names))

    def _take(self, graph: Graph, node: Any) -> None:
        kind = _KINDS[node.name()]
        if kind != "relu" and not graph.is_hidden(node):
            return  # a gate, or the output
        before, channels = graph.before(node)
        owner = self._state.names.get(before) if before is not None else None
        result = node._saved_result
        if owner is None or result.dim() < 2 or result.numel() == 0:
            return
        dim = 1 if channels or result.dim() == 2 else result.dim() - 1
        self._add((kind, *owner), _per_unit(kind, result.detach(), dim), result, dim)

    def _add(self, key: tuple[str, int, str], units: Any, result: Any, dim: int) -> None:
        block = self._blocks.get(key)
        if block is None or block.units.shape != units.shape:
            block = self._blocks[key] = _Block(units, number=block.number if block else 0)
        elif not block.batches:
            block.units = units
        elif key[0] == "relu":
            block.units = torch.maximum(block.units, units)
        else:
            block.units = block.units + units
        block.batches += 1
        block.samples += result.numel() // result.shape[dim]
        if block.batches == _BLOCK:
            self._tell(key, block)

    def _tell(self, key: tuple[str, int, str], block: _Block) -> None:
        """Write what the block was, and begin another."""
        dead = block.units <= 0 if key[0] == "relu" else block.units / block.batches > _SATURATED
        reading = self._state.readings.read([dead.float().mean()])
        step, (kind, model, after) = self._state.session.step, key
        facts = (block.batches, block.number, block.samples, block.units.numel())
        block.batches, block.samples, block.number = 0, 0, block.number + 1

        def write() -> None:
            batches, number, samples, units = facts
            self._state.session.emit(
                Activation(
                    step, kind, model, after, units, batches, reading.values[0], number, samples
                )
            )

        self._state.readings.after(write)

    def finish(self) -> None:
        """At the end: blocks that have begun, if they tell enough."""
        for key, block in self._blocks.items():
            if block.batches >= _LAST:
                self._tell(key, block)


def _per_unit(kind: str, result: Any, dim: int) -> Any:
    """The highest value of each unit, or the mean distance from the middle of the range."""
    others = [index for index in range(result.dim()) if index != dim]
    with torch.no_grad():
        if kind == "relu":
            return result.amax(others)
        centred = result if kind == "tanh" else 2 * result - 1
        return centred.abs().float().mean(others)


def install(state: State, patches: Patches) -> None:
    """Look at each backward; keep away from graphs that pack what they keep."""
    activations = Activations(state)
    state.before_graph.append(state.session.guarded(activations.look))
    state.session.at_end.append(state.session.guarded(activations.finish))

    def noted(enter: Any) -> Any:
        @functools.wraps(enter)
        def __enter__(self: Any) -> Any:  # noqa: N807
            activations.packed = True
            return enter(self)

        return __enter__

    patches.replace(torch.autograd.graph.saved_tensors_hooks, "__enter__", noted)
