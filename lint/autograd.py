"""Whether gradients can reach anything from a loss, and where its graph was cut.

A value is *live* if a gradient may arrive somewhere through it: at a module's parameters, or at
anything of which not all is known. Where nothing that a loss was computed from is live, and a
module's output was cut off on the way, `backward()` fails or reaches no parameter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from trainlint.lint.clearing import owners_of
from trainlint.lint.cutting import cuts_graph, is_flat
from trainlint.lint.graph import ancestors, inputs
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.known import LOSS_FUNCTIONS
from trainlint.lint.lower.values import (
    Bound,
    Choice,
    Const,
    Expr,
    Func,
    Map,
    Obj,
    Partial,
    Ref,
    Seq,
    Value,
    options_of,
)
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.training import is_optimizer

# Operations that lead on to what they were given, and nothing else.
_ARITHMETIC = frozenset({
    "+", "-", "*", "/", "**", "%", "//", "?", "[]", "slice", "minus", "plus", "builtins.sum",
    "builtins.abs", "builtins.max", "builtins.min", "conditional", "comprehension", "values",
    "get", "items", "keys", "builtins.list", "builtins.tuple", "builtins.iter", "builtins.range",
    "and", "or",
})  # fmt: skip
_STILL = frozenset({"loader", "dataset", "scaler", "optimizer", "scheduler", "namespace", "loss"})
_FACTS = frozenset({"shape", "dtype", "device", "ndim", "requires_grad", "is_cuda"})
_VIEWS = frozenset({"T", "mT", "real"})
# Layers without parameters, whose output is as live as what they are given.
_PLAIN_LAYERS = frozenset({
    "ReLU", "ReLU6", "LeakyReLU", "GELU", "SiLU", "ELU", "Tanh", "Sigmoid", "Softmax", "LogSoftmax",
    "Softplus", "Flatten", "Unflatten", "Identity", "Dropout", "MaxPool2d", "AvgPool2d",
    "AdaptiveAvgPool2d", "Upsample", "CosineSimilarity", "PairwiseDistance",
})  # fmt: skip
# Losses whose target is labels.
_LABELLED = ("CrossEntropyLoss", "NLLLoss")


class Autograd:
    """The graphs of one script's losses."""

    def __init__(self, script: Script) -> None:
        self.told = set(_told_to_require_grad(script))
        self._outputs = set(_outputs_of_trained(script))

    def cuts(
        self,
        backward: Event,
        unbuilt: Collection[Value] = (),
        *,
        told: bool = True,
        flat: bool = False,
    ) -> list[Value]:
        """Where the graph of a backward's loss was cut, if nothing that it came from is live.

        `unbuilt` are outputs that have no graph for another reason; `told`: a value that is told
        to require a gradient is live; `flat`: operations without a slope cut as well.
        """
        found: list[Value] = []
        seen: set[Value] = set()
        waiting = [backward.receiver]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if told and one in self.told:
                return []
            level = flat and is_flat(one)
            if one in unbuilt or level or cuts_graph(one, one is backward.receiver):
                found.append(one)
                continue
            leads = _leads_to(one, backward)
            if leads is None:
                return []
            waiting += leads
        return [one for one in found if one in unbuilt or self.is_computed(one)]

    def sources(self, backward: Event) -> set[Value] | None:
        """The modules that a loss's gradients may reach; None where there may be others."""
        found: set[Value] = set()
        seen: set[Value] = set()
        waiting = [backward.receiver]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if one in self.told:
                return None
            if cuts_graph(one, is_loss=False):
                continue
            leads = _leads_to(one, backward)
            if isinstance(one, Obj) and _is_forward(one):
                found.add(unwrapped(one.args[0]))
                leads = (*one.args[1:], *([] if one.returned is None else [one.returned]))
            if leads is None:
                return None
            waiting += leads
        return found

    def is_computed(self, value: Value) -> bool:
        """Whether a module that may have parameters had part in making a value."""
        return any(_is_forward(one) or one in self._outputs for one in _behind(value))


def _behind(value: Value) -> Iterator[Value]:
    """All that a value was computed from, seen through attributes such as `.data`."""
    for one in ancestors(value):
        yield one
        if isinstance(one, Bound) and one.function is None:
            yield from _behind(one.receiver)


def alternatives(trace: Trace, event: Event) -> list[Event]:
    """An event, and what it is where its receiver is another of the things that it may be."""
    return [
        other
        for other in trace.events
        if other.site.node is event.site.node
        and other.kind == event.kind
        and other.path == event.path
    ]


def _outputs_of_trained(script: Script) -> Iterator[Value]:
    """What is returned by things of which nothing is known, but that an optimizer trains them."""
    trained: set[Value] = set()
    for event in script.events("make"):
        if is_optimizer(event.result):
            trained |= owners_of(event.result) or set()
    for event in script.events("opaque"):
        if type(event.receiver) is Value and event.receiver in trained:
            yield event.result


def _told_to_require_grad(script: Script) -> Iterator[Value]:
    """What `requires_grad_()` is called on, or an attribute of is set."""
    for event in script.events("set_attribute"):
        yield from options_of(event.receiver)
    for event in script.events("method", "opaque"):
        if event.callee == "requires_grad_":
            yield from options_of(event.receiver)


def _is_forward(value: Value) -> bool:
    if not isinstance(value, Obj) or value.kind != "output" or value.qualname or not value.args:
        return False
    module = unwrapped(value.args[0])
    return isinstance(module, Obj) and module.kind == "module" and not is_plain_layer(module)


def is_plain_layer(module: Obj) -> bool:
    """A layer of torch's without parameters, or one of the script's own, which is looked into."""
    return module.cls is None and module.qualname.rpartition(".")[2] in _PLAIN_LAYERS


def _leads_to(value: Value, backward: Event) -> tuple[Value, ...] | None:
    """What a value was computed from; None where it is live, or may be."""
    if isinstance(value, (Const, Ref)):
        return ()
    if isinstance(value, (Seq, Map, Choice)):
        return inputs(value)
    if isinstance(value, Expr):
        return value.parts if value.op in _ARITHMETIC else None
    if isinstance(value, Bound):
        return _of_attribute(value, backward)
    if isinstance(value, Obj):
        return _of_object(value)
    return () if _is_data(value, backward) else None


def _of_attribute(value: Bound, backward: Event) -> tuple[Value, ...] | None:
    if value.function is not None:
        return None
    if value.name in _FACTS:
        return ()
    data = _is_data(value.receiver, backward)
    return (value.receiver,) if value.name in _VIEWS or data else None


def _of_object(value: Obj) -> tuple[Value, ...] | None:
    if value.kind in _STILL:
        return ()
    if value.kind != "output" or value.changed or "requires_grad" in value.kwargs:
        return None
    if value.qualname:
        if any(isinstance(one, (Func, Partial)) for one in value.args):
            return None
        loss = LOSS_FUNCTIONS.get(value.qualname, "")
        return _without_labels(loss, (*value.args, *value.kwargs.values()))
    return _of_forward(value)


def _of_forward(value: Obj) -> tuple[Value, ...] | None:
    """Of a module's output: a loss, a layer without parameters, or a `forward` of the script's."""
    module = unwrapped(value.args[0]) if value.args else None
    if not isinstance(module, Obj):
        return None
    given = value.args[1:]
    if module.kind == "loss" and module.cls is None:
        return _without_labels(module.qualname, given)
    if is_plain_layer(module):
        return given
    # A `forward` is followed at its first call, which may have been given other values.
    return None if value.returned is None or value.again else (value.returned,)


def _without_labels(loss: str, given: tuple[Value, ...]) -> tuple[Value, ...]:
    return given[:1] if loss.endswith(_LABELLED) else given


def _is_data(value: Value, backward: Event) -> bool:
    """Whether a value is what a loop around the backward runs over: a batch, and no parameter."""
    if type(value) is not Value or not value.varies:
        return False
    return all(
        loop in backward.loops and not _may_hold_parameters(loop.over) for loop in value.varies
    )


def _may_hold_parameters(over: Value) -> bool:
    kinds = ("parameters", "module", "optimizer", "gradient")
    return any(isinstance(one, Obj) and one.kind in kinds for one in ancestors(over))
