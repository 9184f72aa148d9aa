"""Parameters that a loss depends on, of layers that no called model has registered."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.probes.freshness import is_fresh
from trainlint.runtime_checks.record import ModelInfo, ParameterInfo
from trainlint.runtime_checks.state import ModelState, State

# The backwards whose graphs are looked through: not the first, before which lazy things are made.
_WHEN = (3, 12)
_MOST = 50_000  # nodes of a graph


class LooseParameters:
    """Looks through the graph of a few backwards, and hands what it finds to `State.loose`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen = 0
        self._known: set[int] = set()
        self._look = state.session.guarded(self.look)

    def install(self) -> None:
        """Be told of backwards."""
        self._state.before_graph.append(self._look)

    def look(self, tensors: Any) -> None:
        """Before a backward of these tensors."""
        self._seen += 1
        if self._seen not in _WHEN:
            return
        if self._seen == _WHEN[-1]:
            self._state.before_graph.remove(self._look)
        roots = self._state.roots()
        if not roots:
            return
        loose = {id(leaf): leaf for leaf in self._leaves(tensors)}
        owned = list(self._owned(loose))
        if owned:
            self._register(roots[0], owned)

    def _leaves(self, tensors: Any) -> Iterator[Any]:
        """Parameters in the graph that belong to no model and no optimizer."""
        state = self._state
        known = {
            id(p) for optimizer, _ in state.optimizers.items() for p in gradients.held(optimizer)
        }
        for root in state.roots():
            module = root.module()
            known |= {id(p) for p in module.parameters()} if module is not None else set()
        for leaf in _parameters([tensors] if isinstance(tensors, torch.Tensor) else tensors):
            if id(leaf) not in known and id(leaf) not in self._known:
                yield leaf

    def _owned(self, loose: dict[int, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Layer, name and parameter, of layers that the script made and that train."""
        for layer, _ in self._state.sites.items() if loose else ():
            if not isinstance(layer, torch.nn.Module) or not layer._parameters:
                continue
            for name, parameter in layer._parameters.items():
                if id(parameter) in loose and layer.training and is_fresh(self._state, layer):
                    yield layer, name, parameter

    def _register(self, root: ModelState, owned: list[tuple[Any, str, Any]]) -> None:
        """One more model, of the layers that belong to none; named after the one that is called."""
        state = self._state
        layers: dict[int, int] = {}
        named, infos = [], []
        for layer, name, parameter in owned:
            number = layers.setdefault(id(layer), len(layers))
            kind = type(layer).__name__
            full = f"{kind}[{number}].{name}"
            site = state.sites.get(layer)
            infos.append(ParameterInfo(full, list(parameter.shape), kind, True, site))
            named.append((full, weakref.ref(parameter)))
            self._known.add(id(parameter))
        id_, module = state.session.number(), root.module()
        state.loose.append(ModelState(id_, root.module, named))
        made = state.sites.get(module)
        state.session.emit(ModelInfo(id_, type(module).__name__, made, infos, loose=len(layers)))


def _parameters(tensors: Any) -> Iterator[Any]:
    """The parameters at the ends of a graph."""
    stack = [tensor.grad_fn for tensor in tensors if isinstance(tensor, torch.Tensor)]
    seen: set[Any] = set()
    while stack and len(seen) < _MOST:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.nn.Parameter):
            yield leaf
        stack += [following for following, _ in node.next_functions]
