"""TRN518."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.syntax import string_of
from trainlint.lint.mentions import every, walk
from trainlint.lint.model import Script, Site
from trainlint.lint.neighbours import is_imported
from trainlint.lint.optimizers import made_optimizers
from trainlint.lint.rule import found, rule


@rule("TRN518", needs=(b"params",))
def parameter_group_never_used(script: Script) -> Iterator[Finding]:
    """Parameter groups are put together, and no optimizer is ever given them.

    What is written there, a learning rate for the head, no decay for the norms, never takes effect:
    the optimizer was made of something else, mostly of `model.parameters()`.

    Reported where the name of the groups is mentioned nowhere else, in a script that makes an
    optimizer.

    Bad:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        groups = [  # TRN518
            {"params": model[0].parameters(), "lr": 0.01},
            {"params": model[2].parameters(), "lr": 0.1},
        ]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Good:
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        groups = [
            {"params": model[0].parameters(), "lr": 0.01},
            {"params": model[2].parameters(), "lr": 0.1},
        ]
        optimizer = torch.optim.SGD(groups, lr=0.1)

    Source: the documentation of torch.optim, "Per-parameter options".
    """
    if not script.whole or script.names.dynamic:
        return
    made = next(made_optimizers(script), None)
    groups = list(_groups(script)) if made is not None else []
    used = {use.name for use in script.names.uses}
    for name in groups:
        if name.value not in used and not _may_be_used(script, name.value):
            assert made is not None
            yield found(
                Site(script, name),
                f"`{name.value}` holds parameter groups that no optimizer is given",
                related=[(made.site, "the optimizer is made here")],
                hint=f"hand `{name.value}` to the optimizer, or leave it out",
            )


def _groups(script: Script) -> Iterator[cst.Name]:
    """The names that are bound to groups of parameters."""
    for node in every(script.module, cst.Assign):
        if len(node.targets) == 1:
            target = node.targets[0].target
            if isinstance(target, cst.Name) and _is_groups(node.value):
                yield target


def _is_groups(node: cst.BaseExpression) -> bool:
    if isinstance(node, (cst.List, cst.Tuple)):
        return bool(node.elements) and all(_is_groups(e.value) for e in node.elements)
    if not isinstance(node, cst.Dict):
        return False
    keyed = [one for one in node.elements if isinstance(one, cst.DictElement)]
    return any(string_of(one.key) == "params" and _gives_parameters(one.value) for one in keyed)


def _gives_parameters(node: cst.BaseExpression) -> bool:
    """`model.parameters()`, however filtered."""
    return any(
        isinstance(one, cst.Attribute) and one.attr.value in ("parameters", "named_parameters")
        for one in walk(node)
    )


def _may_be_used(script: Script, name: str) -> bool:
    """Whether another file, a string or a reader may use the name."""
    texts = (string_of(node) for node in every(script.module, cst.SimpleString))
    return name in texts or is_imported(script) or has_gaps(script)
