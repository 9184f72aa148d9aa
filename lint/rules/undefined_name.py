"""TRN001."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.scopes import NOTEBOOK_NAMES, Use
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule
from trainlint.lint.rules.never_imported import is_known_alias


@rule("TRN001", Severity.ERROR)
def undefined_name(script: Script) -> Iterator[Finding]:
    """A name is used that nothing binds.

    Python finds out only when it gets there: in a training script often after the data is
    loaded, or after the first epoch. The usual case is a model class that is defined and never
    instantiated. The name is reported once, at its first use.

    Nothing is said where names can come from elsewhere (a star import, `exec`, `globals()`, `%run`,
    a call that is handed `__name__`), where the script reckons with the name missing (`except
    NameError`, a test of the Python version), in code that never runs, in an exercise that asks for
    the reader's code, or where a document shows an excerpt and not a whole script.

    Bad:
        import torch
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return x

        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)  # TRN001
        out = net(torch.randn(2, 3))
    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 1)

            def forward(self, x):
                return self.fc(x)

        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    Source: the Python reference, "Naming and binding"; pyflakes finds the same (F821).
    """
    missing = {
        name: uses
        for name, uses in script.names.unbound().items()
        if not all(is_known_alias(name, use.attribute) for use in uses)
        and not (name in NOTEBOOK_NAMES and _is_interactive(script))
    }
    if not missing or not script.whole or has_gaps(script):
        return
    # In a document, several names that nothing binds are what the reader is to fill in.
    if script.source.kind == "document" and len(missing) > 1:
        missing = {name: uses for name, uses in missing.items() if _class_for(script, name)}
    for name, uses in missing.items():
        yield _finding(script, name, uses)


def _is_interactive(script: Script) -> bool:
    """A notebook, or what one was exported to."""
    used = {"get_ipython", "dbutils"}
    return script.source.kind == "notebook" or any(use.name in used for use in script.names.uses)


def _finding(script: Script, name: str, uses: list[Use]) -> Finding:
    related = [(script.location(use.node), "also used here") for use in uses[1:]]
    hint = None
    cls = _class_for(script, name)
    if cls is not None:
        node, class_name = cls
        where = script.location(node).line
        hint = (
            f"class `{class_name}` stands in line {where} and is never instantiated: "
            f"`{name} = {class_name}()` is missing"
        )
    at = script.location(uses[0].node)
    return found(at, f"`{name}` is used, but nothing binds it", related=related, hint=hint)


def _class_for(script: Script, name: str) -> tuple[cst.CSTNode, str] | None:
    """A class whose name is this one in another spelling, and that nothing instantiates."""
    plain = name.replace("_", "").lower()
    made = {event.callee for event in script.events("make")}
    for scope in script.names.classes():
        if scope.name.replace("_", "").lower() == plain and scope.name not in made:
            return scope.node, scope.name
    return None
