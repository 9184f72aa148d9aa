"""Data: loaders, their options, the datasets in them, and the loops that run over them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from trainlint.lint.holding import may_be
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Const, Expr, Obj, Seq, Value, options_of
from trainlint.lint.mentions import every
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.optimizers import given

_LOADER = "torch.utils.data.DataLoader"
_OPTIONS = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers",
            "collate_fn", "pin_memory", "drop_last", "timeout", "worker_init_fn")  # fmt: skip


def loaders(script: Script) -> Iterator[Event]:
    """The makings of torch's own loaders in this file whose options are all seen."""
    for event in script.events("make"):
        made = event.result
        if not isinstance(made, Obj) or made.qualname != _LOADER or made.cls is not None:
            continue
        if event.site.script is script and not event.starred:
            yield event


def option(loader: Value, name: str) -> Value | None:
    """An option of a loader; None where it is left out, or given as None."""
    value = given(loader, _OPTIONS.index(name), name) if isinstance(loader, Obj) else None
    return None if isinstance(value, Const) and value.value is None else value


def flag(value: Value | None) -> bool | None:
    """A constant truth, else None."""
    return bool(value.value) if isinstance(value, Const) and value.value is not None else None


# -- loops over loaders --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pass:
    """A loop over a loader, with what happens in it."""

    trace: Trace
    loop: Loop
    events: tuple[Event, ...]
    outer: tuple[Loop, ...]  # the loops around it

    @property
    def trains(self) -> bool:
        """Whether its batches are trained on: a backward, and a step of an optimizer."""
        kinds = {event.kind for event in self.events}
        return {"backward", "step"} <= kinds

    @property
    def learns_nothing(self) -> bool:
        """Whether its batches surely are not trained on."""
        return not any(event.kind in ("backward", "step", "opaque") for event in self.events)

    @property
    def evaluates(self) -> bool:
        """Whether its batches are put through a model without gradients."""
        inside = [event for event in self.events if event.kind == "forward"]
        names = ("torch.no_grad", "torch.inference_mode")
        return bool(inside) and all(event.within(*names) for event in inside)


def passes(script: Script, loader: Value) -> list[Pass]:
    """The loops over a loader, comprehensions left out."""
    found: dict[Loop, tuple[Trace, list[Event], tuple[Loop, ...]]] = {}
    for trace in script.traces:
        for event in trace.events:
            for depth, loop in enumerate(event.loops):
                if loop.kind == "for" and may_be(loop.over, loader):
                    entry = found.setdefault(loop, (trace, [], event.loops[:depth]))
                    entry[1].append(event)
    return [Pass(trace, loop, tuple(e), outer) for loop, (trace, e, outer) in found.items()]


# -- datasets ------------------------------------------------------------------------------------

_VISION = re.compile(r"torchvision\.datasets\.([A-Z]\w*)$")
_BY_TRAIN = frozenset({"MNIST", "FashionMNIST", "KMNIST", "QMNIST", "CIFAR10", "CIFAR100", "USPS"})
_BY_SPLIT = frozenset({
    "SVHN", "STL10", "GTSRB", "Food101", "Flowers102", "DTD", "Country211", "StanfordCars",
    "OxfordIIITPet", "ImageNet", "FGVCAircraft", "PCAM", "FER2013", "RenderedSST2", "EuroSAT",
})  # fmt: skip
_SORTED = frozenset({"ImageFolder", "DatasetFolder"})


def vision_class(value: Value | None) -> str:
    """`CIFAR10` of one of torchvision's own datasets, else nothing."""
    if not isinstance(value, Obj) or value.kind != "dataset" or value.cls is not None:
        return ""
    matched = _VISION.match(value.qualname)
    return matched[1] if matched else ""


def part_of(dataset: Value) -> str | None:
    """Which part of torchvision's data a dataset holds: `train`, `test`; None where unknown."""
    name = vision_class(dataset)
    if not isinstance(dataset, Obj):
        return None
    if name in _BY_TRAIN:
        train = given(dataset, 1, "train")
        known = True if train is None else flag(train)
        return None if known is None else "train" if known else "test"
    if name in _BY_SPLIT:
        split = given(dataset, 1, "split")
        value = split.value if isinstance(split, Const) else None
        value = "train" if split is None else value
        return value if isinstance(value, str) else None
    return None


def is_ordered(dataset: Value | None) -> bool:
    """Whether a dataset holds its examples in an order of its own, the same each time."""
    if isinstance(dataset, Obj) and dataset.qualname == "torch.utils.data.Subset":
        return len(dataset.args) > 1 and is_ordered(dataset.args[0]) and _counts(dataset.args[1])
    if isinstance(dataset, Obj) and dataset.qualname == "torch.utils.data.TensorDataset":
        return bool(dataset.args) and _runs_evenly(dataset.args[0])
    name = vision_class(dataset)
    if name in _SORTED:
        return True
    return dataset is not None and part_of(dataset) == "train"


def _counts(value: Value) -> bool:
    """`range(1000)`."""
    if isinstance(value, Expr) and value.op in ("builtins.list", "builtins.tuple") and value.parts:
        return _counts(value.parts[0])
    return isinstance(value, Expr) and value.op == "builtins.range"


_EVEN = re.compile(r"^(torch|numpy)\.(linspace|arange|logspace)$")
_KEEPS_ORDER = re.compile(
    r"^(torch|numpy|Tensor)\.(unsqueeze|from_numpy|tensor|as_tensor|reshape|view|float|to|cuda"
    r"|double|clone|FloatTensor|Tensor|sin|cos|astype|cat|stack|requires_grad_|expand_dims)$"
)


def _runs_evenly(value: Value, depth: int = 0) -> bool:
    """Whether a tensor rises evenly from its first row to its last."""
    if not isinstance(value, Obj) or value.kind != "output" or depth > 6:
        return False
    if _EVEN.match(value.qualname):
        return True
    keeps = _KEEPS_ORDER.match(value.qualname) is not None and bool(value.args)
    return keeps and _runs_evenly(value.args[0], depth + 1)


# -- transforms ----------------------------------------------------------------------------------

_TRANSFORM = re.compile(r"^torchvision\.transforms\.(?:v2\.|transforms\.)?([A-Z]\w*)$")


def transform_name(value: Value) -> str:
    """`RandomCrop` of one of torchvision's transforms, else nothing."""
    matched = _TRANSFORM.match(value.qualname) if isinstance(value, Obj) else None
    return matched[1] if matched else ""


def composed(value: Value | None) -> list[Value]:
    """The transforms of a Compose in order, nested ones included; a single one by itself."""
    if value is None or not transform_name(value):
        return []
    if transform_name(value) not in ("Compose", "Sequential"):
        return [value]
    items = value.args[0] if isinstance(value, Obj) and value.args else None
    found: list[Value] = []
    for item in items.items if isinstance(items, Seq) else ():
        found += composed(item) or [item]
    return found


def transform_of(dataset: Value | None) -> Value | None:
    """What a dataset of torchvision's is given as its transform of the input, by keyword."""
    return dataset.kwargs.get("transform") if isinstance(dataset, Obj) else None


# -- names ---------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _assigned(module: cst.Module) -> dict[cst.CSTNode, str]:
    found: dict[cst.CSTNode, str] = {}
    for node in every(module, cst.Assign):
        if len(node.targets) == 1:
            found[node.value] = (dotted(node.targets[0].target) or "").rpartition(".")[2]
    return found


def name_given(value: Value) -> str:
    """The variable to which the result of a call is assigned, without what owns it."""
    if not isinstance(value, Obj) or value.site is None:
        return ""
    return _assigned(value.site.script.module).get(value.site.node, "")


def surely_given(value: Value | None) -> bool:
    """Whether an option is surely something other than None."""
    return value is not None and all(isinstance(one, (Obj, Seq)) for one in options_of(value))
