"""TRN609."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Expr, Obj, Value
from trainlint.lint.model import Event, Script, Site
from trainlint.lint.rule import found, rule

_SEEDS = re.compile(r"seed\w{0,40}\(|set_(?:rng_)?state\(")
_PERMUTATIONS = ("torch.randperm", "numpy.random.permutation")


@rule("TRN609", Severity.ERROR, needs=(b"perm",))
def permuted_apart(script: Script) -> Iterator[Finding]:
    """Inputs and labels are put in random order by two different permutations.

    Each call of `randperm` gives another order. Indexing the inputs by one and the labels by the
    next pairs each input with some other's label: nothing can be learned.

    Reported where both go into one TensorDataset, or into one loss. One permutation used for both
    is right, and so is one side alone, as for negative examples; a script that seeds the generator
    more than once may get the same order twice.

    Bad:
        import torch
        from torch.utils.data import TensorDataset

        x, y = torch.randn(100, 4), torch.randint(3, (100,))
        x = x[torch.randperm(100)]
        y = y[torch.randperm(100)]
        data = TensorDataset(x, y)  # TRN609
    Good:
        import torch
        from torch.utils.data import TensorDataset

        x, y = torch.randn(100, 4), torch.randint(3, (100,))
        order = torch.randperm(100)
        x = x[order]
        y = y[order]
        data = TensorDataset(x, y)

    Source: the documentation of torch.randperm ("a random permutation").
    """
    if len(_SEEDS.findall(script.source.code)) > 1:
        return  # the same seed before each call gives the same order
    for event in script.events("make", "loss"):
        if event.kind == "make" and event.callee != "torch.utils.data.TensorDataset":
            continue
        if event.starred or len(event.args) < 2:
            continue
        one, other = (_orders(arg.value) for arg in event.args[:2])
        if one and other and not _shared(one, other):
            yield _finding(event, next(iter(one)), next(iter(other)))


def _orders(value: Value) -> set[Value]:
    """The permutations by which a value's rows were put in order."""
    found_orders: set[Value] = set()
    for part in ancestors(value):
        if isinstance(part, Expr) and part.op == "[]" and len(part.parts) == 2:
            found_orders |= {one for one in ancestors(part.parts[1]) if _is_permutation(one)}
        elif _is_permutation(part) and isinstance(part, Obj) and not _counts(part):
            found_orders.add(part)
    return found_orders


def _is_permutation(value: Value) -> bool:
    return isinstance(value, Obj) and value.qualname in _PERMUTATIONS


def _counts(value: Obj) -> bool:
    """`randperm(n)`: an order of indices, not of rows."""
    return value.qualname == "torch.randperm" or not isinstance(
        value.args[0] if value.args else None, Obj
    )


def _shared(one: set[Value], other: set[Value]) -> bool:
    sites = {value.site.node for value in other if isinstance(value, Obj) and value.site}
    return any(isinstance(v, Obj) and v.site and v.site.node in sites for v in one)


def _finding(event: Event, one: Value, other: Value) -> Finding:
    first, second = event.args[0].text, event.args[1].text
    places: list[tuple[Site | None, str]] = [
        (one.site if isinstance(one, Obj) else None, f"the order of `{first}`"),
        (other.site if isinstance(other, Obj) else None, f"another order, of `{second}`"),
    ]
    return found(
        event.site,
        f"`{first}` and `{second}` were permuted by two different permutations: rows no longer"
        " belong together",
        related=[(site, label) for site, label in places if site is not None],
        hint="make one permutation, and index both by it",
    )
