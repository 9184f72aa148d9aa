"""TRN611."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.mentions import every
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_SPLIT = "sklearn.model_selection.train_test_split"
_INPUT = re.compile(r"^(x|inputs?|features?|data|images?)(?=_|$|tr|te|val)", re.IGNORECASE)
_LABEL = re.compile(r"^(y|labels?|targets?)(?=_|$|tr|te|val)", re.IGNORECASE)


@rule("TRN611", Severity.ERROR, needs=(b"train_test_split",))
def split_unpacked_in_wrong_order(script: Script) -> Iterator[Finding]:
    """The parts of train_test_split are unpacked in another order than it returns them.

    `train_test_split(X, y)` returns both parts of X, then both parts of y. Unpacked as
    `X_train, y_train, X_test, y_test`, the second name holds inputs and the third holds labels.

    Reported where two arrays are split and the four names alternate between inputs and labels.

    Bad:
        import torch
        from sklearn.model_selection import train_test_split

        X, y = torch.randn(100, 4), torch.randn(100)
        X_train, y_train, X_test, y_test = train_test_split(X, y)  # TRN611
    Good:
        import torch
        from sklearn.model_selection import train_test_split

        X, y = torch.randn(100, 4), torch.randn(100)
        X_train, X_test, y_train, y_test = train_test_split(X, y)

    Fix safety: the fix swaps the second and the third name, which is the order of the return value.
    Source: the documentation of sklearn.model_selection.train_test_split.
    """
    calls = {e.site.node: e for e in script.events("call") if e.callee == _SPLIT}
    for node in every(script.module, cst.Assign):
        if len(node.targets) != 1:
            continue
        event, target = calls.get(node.value), node.targets[0].target
        if event is not None and isinstance(target, cst.Tuple) and _splits_two(event):
            names = [(dotted(e.value) or "").rpartition(".")[2] for e in target.elements]
            if _alternate(names):
                yield _finding(script, event, target, names)


def _splits_two(event: Event) -> bool:
    return sum(arg.keyword is None and not arg.star for arg in event.args) == 2 and not (
        event.starred
    )


def _alternate(names: list[str]) -> bool:
    if len(names) != 4:
        return False
    first, second, third, fourth = names
    return bool(
        _INPUT.match(first) and _LABEL.match(second)
        and _INPUT.match(third) and _LABEL.match(fourth)
    )  # fmt: skip


def _finding(script: Script, event: Event, target: cst.Tuple, names: list[str]) -> Finding:
    first, second = (element.value for element in target.elements[1:3])
    text = script.module.code_for_node
    edits = (script.edit(first, text(second)), script.edit(second, text(first)))
    fix = None
    if edits[0] is not None and edits[1] is not None:
        fix = Fix("Unpack in the order of the return value", (edits[0], edits[1]), safe=True)
    return found(
        event.site,
        f"`train_test_split` returns both parts of the inputs first: `{names[1]}` holds inputs, and"
        f" `{names[2]}` holds labels",
        hint=f"unpack as `{names[0]}, {names[2]}, {names[1]}, {names[3]}`",
        fix=fix,
    )
