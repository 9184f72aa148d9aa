"""TRN604."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.data import loaders, option
from trainlint.lint.lower.known import is_inert
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Class, Func, Obj
from trainlint.lint.mentions import walk
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import number
from trainlint.lint.rule import found, rule

_ROOTS = {"torch.utils.data.IterableDataset", "torch.utils.data.dataset.IterableDataset"}
# Words of a stream that is split among workers, endless, or random: repeated it does no harm.
_OTHERWISE = re.compile(
    r"worker|rank|shard|rand|sample|shuffle|choice|while True|queue|env|replay|socket|cycle|repeat",
    re.IGNORECASE,
)
_PLAIN = frozenset({"range", "iter", "enumerate", "zip", "len", "open", "map", "int", "float",
                    "sorted", "reversed", "list", "tuple", "min", "max", "filter",
                    "str"})  # fmt: skip


@rule("TRN604", needs=(b"IterableDataset",))
def stream_repeated_by_workers(script: Script) -> Iterator[Finding]:
    """An IterableDataset is read by several workers, each of which gives all of it.

    Each worker of a loader has a copy of the dataset. Where `__iter__` does not ask
    `torch.utils.data.get_worker_info()` which part is its own, every example comes once from each
    worker: an epoch is several times as long, and no example is new after the first.

    Reported for the script's own streams that go through what they hold in plain Python. Random and
    endless streams, those that speak of workers, shards or ranks, and those that call code that
    cannot be seen, are left alone.

    Bad:
        import torch
        from torch.utils.data import DataLoader, IterableDataset

        class Lines(IterableDataset):
            def __init__(self, path):
                self.path = path

            def __iter__(self):
                with open(self.path) as file:
                    for line in file:
                        yield line

        loader = DataLoader(Lines("train.txt"), batch_size=8, num_workers=4)  # TRN604
    Good:
        import itertools

        import torch
        from torch.utils.data import DataLoader, IterableDataset, get_worker_info

        class Lines(IterableDataset):
            def __init__(self, path):
                self.path = path

            def __iter__(self):
                info = get_worker_info()
                first, step = (0, 1) if info is None else (info.id, info.num_workers)
                with open(self.path) as file:
                    yield from itertools.islice(file, first, None, step)

        loader = DataLoader(Lines("train.txt"), batch_size=8, num_workers=4)

    Source: the documentation of torch.utils.data.IterableDataset ("each worker process will have a
    different copy of the dataset object").
    """
    for event in loaders(script):
        workers = number(option(event.result, "num_workers")) or 0
        dataset = option(event.result, "dataset")
        cls = dataset.cls if isinstance(dataset, Obj) else None
        if workers < 2 or option(event.result, "worker_init_fn") is not None or cls is None:
            continue
        if _gives_all(script, cls):
            yield _finding(event, cls, int(workers))


def _gives_all(script: Script, cls: Class) -> bool:
    roots = set(cls.roots())
    if not roots & _ROOTS or not roots <= {*_ROOTS, "builtins.object"}:
        return False
    nodes = [one.node for one in cls.mro()]
    texts = [script.module.code_for_node(node) for node in nodes if node is not None]
    method = cls.find("__iter__")
    if any(_OTHERWISE.search(text) for text in texts) or not isinstance(method, Func):
        return False
    return method.node is not None and _is_plain(script, method.node)


def _is_plain(script: Script, body: cst.CSTNode) -> bool:
    """Whether `__iter__` calls only what surely splits nothing."""
    imported = _imported(script)
    calls = [node for node in walk(body) if isinstance(node, cst.Call)]
    return all(_is_plain_call(node, imported) for node in calls)


def _is_plain_call(node: cst.Call, imported: dict[str, str]) -> bool:
    """A builtin, a known library's function, or a method of a local value."""
    name = dotted(node.func)
    if name is None:
        return isinstance(node.func, cst.Attribute)  # a method of what a call gave
    first, _, rest = name.partition(".")
    if not rest:
        return name in _PLAIN or is_inert(imported.get(name, "?"))
    return first != "self" and is_inert(imported.get(first, "builtins"))


def _imported(script: Script) -> dict[str, str]:
    """What the script imports, by the names that it gives it."""
    names: dict[str, str] = {}
    for node in script.names.imports:
        if isinstance(node.names, cst.ImportStar):
            continue
        module = dotted(node.module) if isinstance(node, cst.ImportFrom) and node.module else None
        for alias in node.names:
            name = dotted(alias.name) or "?"
            bound = alias.asname.name if alias.asname is not None else None
            key = bound.value if isinstance(bound, cst.Name) else name.split(".")[0]
            names[key] = name if isinstance(node, cst.Import) else module or "?"
    return names


def _finding(event: Event, cls: Class, workers: int) -> Finding:
    place = [(cls.node, "the stream")] if cls.node is not None else []
    script = event.site.script
    return found(
        event.site,
        f"each of the {workers} workers goes through all of `{cls.name}`: every example comes"
        f" {workers} times",
        related=[(script.location(node.name), label) for node, label in place],
        hint="let `__iter__` ask `get_worker_info()` for its part, or use one worker",
    )
