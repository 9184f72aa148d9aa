"""The losses that a script computes, and what they are handed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.lower.known import LOSS_FUNCTIONS
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Site
from trainlint.lint.outputs import Operation, related_to, surely


@dataclass(frozen=True, eq=False)
class LossCall:
    """A loss that is computed: its class in torch.nn, and what it is handed."""

    event: Event
    name: str  # CrossEntropyLoss
    input: Value
    target: Value | None
    options: dict[str, Value]


def loss_calls(script: Script, *names: str) -> Iterator[LossCall]:
    """The losses of these classes that the script computes, as modules or as functions.

    One that may be of another class, by the path taken, is left out: its input may be too.
    """
    sites: dict[cst.CSTNode, list[Event]] = {}
    for event in script.events("loss", "forward", "opaque"):
        sites.setdefault(event.site.node, []).append(event)
    for events in sites.values():
        if all(_loss_name(event) in names for event in events):
            calls = (_loss_call(event) for event in events)
            yield from (call for call in calls if call is not None)


def _loss_name(event: Event) -> str:
    made = event.receiver if isinstance(event.receiver, Obj) else None
    if made is None or made.kind != "loss":
        return LOSS_FUNCTIONS.get(event.callee, "").rpartition(".")[2]
    return "" if made.cls is not None else made.qualname.rpartition(".")[2]


def _loss_call(event: Event) -> LossCall | None:
    given, target = event.argument(0, "input"), event.argument(1, "target")
    if given is None or event.starred:
        return None
    made = event.receiver
    options = dict(made.kwargs) if isinstance(made, Obj) and made.kind == "loss" else {}
    options.update({arg.keyword: arg.value for arg in event.args if arg.keyword})
    return LossCall(
        event, _loss_name(event), given.value, target.value if target else None, options
    )


@dataclass(frozen=True, eq=False)
class Mismatch:
    """A loss that is handed what it does not take: the operation that made it, and where.

    `related` tells of the operation, and of the other losses that it goes into.
    """

    site: Site
    operation: Operation
    related: list[tuple[Site, str]]


def loss_after(
    script: Script, losses: tuple[str, ...], operations: tuple[str, ...]
) -> Iterator[Mismatch]:
    """The losses whose input one of these operations surely made last; each operation once."""
    found: dict[object, list[tuple[LossCall, Operation]]] = {}
    for call in loss_calls(script, *losses):
        operation = surely(call.input, *operations)
        if operation is not None:
            layer = operation.layer
            key = layer.site.node if layer is not None and layer.site else operation.value
            found.setdefault(key, []).append((call, operation))
    for (call, operation), *others in found.values():
        more = [(one.event.site, "and here") for one, _ in others]
        more = [one for one in more if one[0].node is not call.event.site.node]
        related = [*related_to(operation, f"the output of the {operation.name}"), *more]
        yield Mismatch(call.event.site, operation, related)
