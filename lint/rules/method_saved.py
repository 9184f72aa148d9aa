"""TRN717."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.syntax import constant_of
from trainlint.lint.lower.values import Bound, Map, Value
from trainlint.lint.model import Event, Script, Site
from trainlint.lint.rule import found, rule


@rule("TRN717", Severity.ERROR, needs=(b"state_dict",))
def method_saved(script: Script) -> Iterator[Finding]:
    """`state_dict` is saved without being called.

    `torch.save(model.state_dict, path)` pickles a bound method, and with it the whole model, or
    fails; what is loaded is no dictionary of weights.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        torch.save(model.state_dict, "model.pth")  # TRN717
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        torch.save(model.state_dict(), "model.pth")

    Fix safety: the fix adds the parentheses that are missing.
    Source: the PyTorch tutorial "Saving and Loading Models".
    """
    for event in script.events("save"):
        for value, node in _saved(event):
            if isinstance(value, Bound) and value.name == "state_dict" and value.function is None:
                yield _finding(script, event, node)


def _saved(event: Event) -> Iterator[tuple[Value, cst.CSTNode]]:
    """What is saved, or each value of the dictionary that is."""
    if not event.args:
        return
    first = event.args[0]
    yield first.value, first.site.node
    if isinstance(first.value, Map) and isinstance(first.site.node, cst.Dict):
        for element in first.site.node.elements:
            if isinstance(element, cst.DictElement) and isinstance(element.value, cst.Attribute):
                key = constant_of(element.key)[1]
                if key in first.value.items:
                    yield first.value.items[key], element.value


def _finding(script: Script, event: Event, node: cst.CSTNode) -> Finding:
    site = Site(event.site.script, node)
    own = event.site.script is script and isinstance(node, cst.Attribute)
    edit = script.edit(node, f"{site.text}()") if own else None
    fix = None if edit is None else Fix(f"Call `{site.text}()`", (edit,), safe=True)
    return found(
        site,
        f"`{site.text}` is saved, but not called: the file holds a method, not the weights",
        hint="add the parentheses",
        fix=fix,
    )
