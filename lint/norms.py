"""Weight and spectral norm: which layers they are put on, and what they do to the weight there.

The functions of `torch.nn.utils` take the parameter away and put others, or a plain tensor, in its
place; those of `torch.nn.utils.parametrizations` put a parametrization on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.leaving import caught
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Const, Expr, Obj, Value
from trainlint.lint.model import Event, Trace

WEIGHT_NORM = "torch.nn.utils.weight_norm"
SPECTRAL_NORM = "torch.nn.utils.spectral_norm"
WEIGHT_PARAMETRIZATION = "torch.nn.utils.parametrizations.weight_norm"
SPECTRAL_PARAMETRIZATION = "torch.nn.utils.parametrizations.spectral_norm"
ORTHOGONAL = "torch.nn.utils.parametrizations.orthogonal"
# What takes a norm off again, and which; it makes a new weight.
_REMOVED = {
    "torch.nn.utils.remove_weight_norm": (WEIGHT_NORM,),
    "torch.nn.utils.remove_spectral_norm": (SPECTRAL_NORM,),
    "torch.nn.utils.parametrize.remove_parametrizations": (WEIGHT_PARAMETRIZATION,),
}
REMOVALS = frozenset(_REMOVED)
_OLD = (WEIGHT_NORM, SPECTRAL_NORM)
_NORMS = frozenset({*_OLD, WEIGHT_PARAMETRIZATION, SPECTRAL_PARAMETRIZATION, ORTHOGONAL})


@dataclass(frozen=True, eq=False)
class Application:
    """A norm that is surely put on a layer's parameter."""

    event: Event
    norm: str
    layer: Obj
    parameter: str

    @property
    def short(self) -> str:
        """The norm as a reader knows it."""
        return self.norm.rpartition(".")[2]

    def same_weight(self, other: Application) -> bool:
        """Whether it is put on the parameter that another is on."""
        return self.layer is other.layer and self.parameter == other.parameter


def applications(trace: Trace) -> Iterator[Application]:
    """The norms that a trace puts on layers that are known, in order."""
    for event in trace.events:
        if event.kind == "call" and event.callee in _NORMS and _is_called_by_name(event):
            given, parameter = event.argument(0, "module"), event.argument(1, "name")
            layer = layer_of(given.value) if given is not None else None
            name = _constant(parameter.value) if parameter is not None else "weight"
            if layer is not None and name is not None and not event.starred and not caught(event):
                yield Application(event, event.callee, layer, name)


def _is_called_by_name(event: Event) -> bool:
    """Whether the norm itself is called, and not a variable that may hold something else."""
    node = event.site.node
    name = dotted(node.func) if isinstance(node, cst.Call) else None
    return name is not None and name.rpartition(".")[2].endswith(event.callee.rpartition(".")[2])


def _constant(value: Value) -> str | None:
    return value.value if isinstance(value, Const) and isinstance(value.value, str) else None


def layer_of(value: Value) -> Obj | None:
    """The layer that a norm is put on: norms return what they are given."""
    while isinstance(value, Obj) and value.qualname in _NORMS and value.args:
        value = value.args[0]
    if isinstance(value, Expr) and value.op == "[]":
        return _item(*value.parts)
    return value if isinstance(value, Obj) and value.kind == "module" else None


def _item(container: Value, key: Value) -> Obj | None:
    """One of a Sequential's layers, by its number."""
    index = key.value if isinstance(key, Const) else None
    if not isinstance(container, Obj) or container.changed or not isinstance(index, int):
        return None
    plain = container.qualname == "torch.nn.Sequential" and not container.layers
    inside = -len(container.args) <= index < len(container.args)
    return layer_of(container.args[index]) if plain and inside else None


def cannot_follow(first: Application, second: Application) -> bool:
    """Whether putting the second norm on a weight that has the first fails.

    The old functions leave no parameter of the name behind, and find none where a parametrization
    is; weight norm makes two parameters of one, and cannot be put on another parametrization;
    `orthogonal` can only without its trivialization, which starts from the parameter.
    """
    if first.norm in _OLD or second.norm in _OLD or second.norm == WEIGHT_PARAMETRIZATION:
        return True
    told = second.event.argument(3, "use_trivialization")
    return second.norm == ORTHOGONAL and told is None


def exchanges(event: Event) -> bool:
    """Whether an event may replace a layer's parameters by new ones."""
    taking = (WEIGHT_NORM, WEIGHT_PARAMETRIZATION, *REMOVALS)
    return event.kind == "call" and event.callee in taking


def exchanged_layers(trace: Trace, event: Event) -> Iterator[Obj]:
    """The layer of which such an event replaces parameters, if it surely does.

    Both weight norms make two parameters of one. `remove_spectral_norm` makes a new weight, and
    taking weight norm off does; other parametrizations keep the parameter, put on and taken off.
    """
    if event.callee not in REMOVALS:
        yield from (one.layer for one in applications(trace) if one.event is event)
    else:
        given = event.argument(0, "module")
        layer = layer_of(given.value) if given is not None else None
        norms = [one.norm for one in applications(trace) if one.layer is layer]
        last = norms[-1] if norms else ""
        if layer is not None and last in _REMOVED[event.callee]:
            yield layer
