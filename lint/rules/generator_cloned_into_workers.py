"""TRN612."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.data import loaders, option
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Class, Func, Obj
from trainlint.lint.mentions import walk
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import number
from trainlint.lint.rule import found, rule

_GENERATORS = frozenset({
    "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator",
    "random.Random", "torch.Generator",
})  # fmt: skip
_ROOTS = {"torch.utils.data.Dataset", "torch.utils.data.dataset.Dataset", "builtins.object"}


@rule("TRN612", needs=(b"DataLoader",))
def generator_cloned_into_workers(script: Script) -> Iterator[Finding]:
    """A dataset keeps a random generator of its own, and each worker gets the same copy of it.

    torch seeds its own generator, NumPy's and Python's global ones in each worker, but not one that
    a dataset holds. All workers draw the same numbers from their copies, and, as workers start anew
    with each epoch, so do all epochs: the augmentation is far less random than it looks.

    Reported for the script's own datasets that make the generator in `__init__` alone and draw
    from it in `__getitem__`, in a loader with two workers or more. Anything that speaks of workers
    may see to it.

    Bad:
        import numpy as np
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Noisy(Dataset):
            def __init__(self, values):
                self.values = values
                self.rng = np.random.default_rng(0)  # TRN612

            def __len__(self):
                return len(self.values)

            def __getitem__(self, index):
                return self.values[index] + self.rng.normal()

        loader = DataLoader(Noisy(torch.randn(100)), batch_size=8, num_workers=4)
    Good:
        import numpy as np
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Noisy(Dataset):
            def __init__(self, values):
                self.values = values

            def __len__(self):
                return len(self.values)

            def __getitem__(self, index):
                return self.values[index] + np.random.normal()

        loader = DataLoader(Noisy(torch.randn(100)), batch_size=8, num_workers=4)

    Source: the documentation of torch.utils.data, "Randomness in multi-process data loading"; what
    is seeded stands in torch.utils.data._utils.worker.
    """
    if "worker_in" in script.source.code or "worker_id" in script.source.code:
        return
    for event in loaders(script):
        dataset = option(event.result, "dataset")
        workers = number(option(event.result, "num_workers")) or 0
        if workers >= 2 and isinstance(dataset, Obj) and dataset.cls is not None:
            yield from _kept(script, event, dataset, dataset.cls)


def _kept(script: Script, event: Event, dataset: Obj, cls: Class) -> Iterator[Finding]:
    if not set(cls.roots()) <= _ROOTS or cls.script not in (None, script):
        return
    for one in script.events("set_attribute"):
        made = one.result
        if not isinstance(made, Obj) or made.qualname not in _GENERATORS:
            continue
        owner = one.receiver
        own = isinstance(owner, Obj) and owner.cls is cls
        if own and _draws(cls, one.callee) and _is_set_once(cls, one.callee):
            yield _finding(event, one, made)
            return


def _draws(cls: Class, name: str) -> bool:
    """Whether `__getitem__` calls a method of the generator, or hands it on."""
    method = cls.find("__getitem__")
    node = method.node if isinstance(method, Func) else None
    return node is not None and any(
        isinstance(one, cst.Attribute) and dotted(one) == f"self.{name}" for one in walk(node)
    )


def _is_set_once(cls: Class, name: str) -> bool:
    """Whether only `__init__` sets the attribute, and nothing seeds it anew."""
    nodes = [node for one in cls.mro() if one.node is not None for node in walk(one.node)]
    methods = [node for node in nodes if isinstance(node, cst.FunctionDef)]
    others = [method for method in methods if method.name.value != "__init__"]
    return not any(_changes(node, name) for method in others for node in walk(method))


def _changes(node: cst.CSTNode, name: str) -> bool:
    if isinstance(node, cst.AssignTarget):
        return dotted(node.target) == f"self.{name}"
    return isinstance(node, cst.Attribute) and dotted(node) in (
        f"self.{name}.seed", f"self.{name}.manual_seed", f"self.{name}.set_state",
        f"self.{name}.setstate",
    )  # fmt: skip


def _finding(event: Event, kept: Event, made: Obj) -> Finding:
    name = made.qualname.rpartition(".")[2]
    return found(
        made.site or kept.site,
        f"every worker gets a copy of this `{name}`: all draw the same numbers, in every epoch",
        related=[(event.site, "the loader, with its workers")],
        hint="draw from torch's or NumPy's global generator, which are seeded in each worker, or"
        " seed this one by `get_worker_info().seed`",
    )
