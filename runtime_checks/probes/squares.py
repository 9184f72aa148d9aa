"""Differences computed by hand that are broadcast to a square: a column less a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.probes.makers import name_of
from trainlint.runtime_checks.record import Broadcast
from trainlint.runtime_checks.state import State

# What a loss is made of, from a difference on.
_ON_THE_WAY = frozenset("Abs Add Clone Div Mean Mul Neg Pow Sqrt Sum ToCopy View".split())
# A column that one of these made was no accident: it was made for all pairs.
_SHAPING = frozenset("Expand Index Permute Reshape Select T Transpose Unsqueeze View".split())
_FLATTENING = frozenset(("Squeeze", "Select"))
_MOST = 24
_TIMES = 2


class Squares:
    """Looks from the loss back to the differences that it is made of."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._times = 0

    def look(self, tensors: Any) -> None:
        """Before a backward of these tensors, while the window is open."""
        if not self._state.window.is_open or self._times >= _TIMES:
            return
        for tensor in [tensors] if isinstance(tensors, torch.Tensor) else tensors:
            found = next(_squares(tensor), None)
            if found is not None:
                self._met(*found)
                return

    def _met(self, operation: str, shape: list[int], result: list[int]) -> None:
        self._times += 1
        if self._times == _TIMES:
            session = self._state.session
            session.emit(Broadcast(session.step, user_site(), operation, shape, result))


def _squares(tensor: Any) -> Iterator[tuple[str, list[int], list[int]]]:
    """Name, shape of the trained operand, and shape, of each such difference."""
    waiting = [getattr(tensor, "grad_fn", None)]
    for _ in range(_MOST):
        if not waiting:
            return
        node = waiting.pop(0)
        if node is None:
            continue
        name = name_of(node)
        if name == "Sub":
            shape, result = _trained(node), _shape(node, 0)
            if shape is not None and _is_square(shape, result):
                yield name, shape, result
        elif name in _ON_THE_WAY:
            waiting += [following for following, _ in node.next_functions]


def _trained(node: Any) -> list[int] | None:
    """The shape of the only operand that is trained, unless it was shaped on purpose."""
    operands = [one for one in node.next_functions if one[0] is not None]
    if len(operands) != 1:
        return None
    made, index = operands[0]
    shape, name = _shape(made, index), name_of(made)
    if len(shape) == 1:
        return shape if name in _FLATTENING else None
    return None if name in _SHAPING else shape


def _is_square(shape: list[int], result: list[int]) -> bool:
    if len(result) != 2 or result[0] != result[1] or result[0] < 2:
        return False
    return shape in ([result[0], 1], [result[0]])


def _shape(node: Any, index: int) -> list[int]:
    """The shape of a node's result; empty where this torch does not tell."""
    told = getattr(node, "_input_metadata", None) or ()
    return list(told[index].shape) if index < len(told) else []


def install(state: State) -> None:
    """Be told of each backward."""
    state.before_graph.append(state.session.guarded(Squares(state).look))
