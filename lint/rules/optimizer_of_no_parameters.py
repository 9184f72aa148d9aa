"""TRN519."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Bound, Obj, Value, options_of
from trainlint.lint.model import Argument, Event, Script
from trainlint.lint.optimizers import made_optimizers
from trainlint.lint.rule import found, rule

_TENSORS = frozenset(
    f"torch.{name}"
    for name in ("tensor", "zeros", "ones", "randn", "rand", "empty", "full", "zeros_like",
                 "ones_like", "randn_like", "rand_like", "arange", "linspace", "eye")
) | {"torch.nn.Parameter", "torch.nn.parameter.Parameter"}  # fmt: skip
_ITERABLE = ("torch.nn.ParameterList", "torch.nn.ParameterDict")


@rule("TRN519", Severity.ERROR, needs=(b"optim",))
def optimizer_of_no_parameters(script: Script) -> Iterator[Finding]:
    """An optimizer is made of a module, a method or one tensor instead of parameters.

    An optimizer takes an iterable of parameters. Given the module itself, its method
    `model.parameters` without the parentheses, or a single tensor that stands in no list, it raises
    a TypeError.

    Modules that can be iterated over by a method of their own are left alone, and so is whatever
    is not known by what made it.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model, lr=0.1)  # TRN519
        other = torch.optim.Adam(model.parameters)  # TRN519
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scale = torch.ones(4, requires_grad=True)
        other = torch.optim.Adam([scale])

    Fix safety: the call without the fix raises, so nothing that works is changed.
    Source: the documentation of torch.optim.Optimizer ("an iterable of torch.Tensor s or dict s").
    """
    for event in made_optimizers(script):
        given = event.argument(0, "params")
        if given is None or event.starred:
            continue
        wrong = {_mistaken(value) for value in options_of(given.value)}
        if len(wrong) == 1 and (what := wrong.pop()) is not None:
            yield _finding(script, event, given, what)


def _mistaken(value: Value) -> str | None:
    """What a value is that is no iterable of parameters; None where it may be one."""
    if isinstance(value, Bound):
        owner = value.receiver
        module = isinstance(owner, Obj) and owner.kind == "module"
        return "method" if module and value.name in ("parameters", "named_parameters") else None
    if not isinstance(value, Obj):
        return None
    if value.kind in ("module", "loss"):
        return "module" if _cannot_be_iterated(value) else None
    return "tensor" if value.qualname in _TENSORS else None


def _cannot_be_iterated(module: Obj) -> bool:
    if module.cls is None:
        return module.qualname not in _ITERABLE
    special = any(module.cls.find(name) for name in ("__iter__", "__getitem__"))
    return not special and set(module.cls.roots()) <= {"torch.nn.Module", "builtins.object"}


def _finding(script: Script, event: Event, given: Argument, what: str) -> Finding:
    name = given.text
    told = {
        "module": (f"`{name}` is a module", f"{name}.parameters()"),
        "method": (f"`{name}` is a method that is not called", f"{name}()"),
        "tensor": (f"`{name}` is one tensor", f"[{name}]"),
    }[what]
    edit = None
    if given.site.script is script:
        edit = script.edit(given.site.node, told[1])
    return found(
        given.site,
        f"{told[0]}, and {event.callee.rpartition('.')[2]} takes an iterable of parameters: this"
        " raises a TypeError",
        hint=f"write `{told[1]}`",
        fix=None if edit is None else Fix(f"Write `{told[1]}`", (edit,), safe=True),
    )
