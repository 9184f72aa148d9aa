"""TRN717."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.checkpoints import contents, handed_over, is_uncalled_state
from trainlint.lint.lower.values import Bound
from trainlint.lint.mentions import walk
from trainlint.lint.model import Argument, Script, Site
from trainlint.lint.rule import found, rule


@rule("TRN717", Severity.ERROR, needs=(b"state_dict",))
def method_saved(script: Script) -> Iterator[Finding]:
    """A model's `state_dict` is saved or loaded without being called.

    `model.state_dict` is the method, and `model.state_dict()` its result. `torch.save` pickles
    the method, with the whole model in it, and `load_state_dict` cannot load it.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        torch.save(model.state_dict, "model.pt")  # TRN717
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        torch.save(model.state_dict(), "model.pt")

    Fix safety: the fix adds the parentheses.
    Source: the PyTorch tutorial "Saving and Loading Models".
    """
    for event in script.events("save", "load"):
        given = handed_over(event)
        if event.callee == "torch.load" or given is None or not event.args:
            continue
        for method in filter(is_uncalled_state, contents(given)):
            assert isinstance(method, Bound)
            yield _finding(script, event.args[0])
            break
    for event in script.events("set_item"):
        if is_uncalled_state(event.result) and _is_saved(script, event.receiver):
            yield _at(event.site, None)


def _is_saved(script: Script, container: object) -> bool:
    return any(handed_over(event) is container for event in script.events("save"))


def _finding(script: Script, given: Argument) -> Finding:
    node = next(_bare(given.site.node), None)
    if node is None or given.site.script is not script:
        return _at(given.site, None)
    edit = script.edit(node, f"{Site(script, node).text}()")
    fix = None if edit is None else Fix("Call `state_dict`", (edit,), safe=True)
    return _at(Site(script, node), fix)


def _bare(node: cst.CSTNode) -> Iterator[cst.Attribute]:
    """The attributes of that name that are not called."""
    called = {one.func for one in walk(node) if isinstance(one, cst.Call)}
    for one in walk(node):
        if isinstance(one, cst.Attribute) and one.attr.value == "state_dict" and one not in called:
            yield one


def _at(site: Site, fix: Fix | None) -> Finding:
    return found(
        site,
        "`state_dict` is not called: this is the method, and not the state",
        hint="add the parentheses: `state_dict()`",
        fix=fix,
    )
