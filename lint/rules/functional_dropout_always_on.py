"""TRN306."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.lower.syntax import parameters
from trainlint.lint.lower.values import Const, options_of
from trainlint.lint.model import Event, Script
from trainlint.lint.own_modules import asks_for_mode, method_around, methods_of_modules
from trainlint.lint.rule import found, rule

# Those whose `training` is True where nobody says otherwise.
_DROPOUTS = tuple(f"torch.nn.functional.dropout{size}" for size in ("", "1d", "2d", "3d"))


@rule("TRN306", needs=(b"dropout",))
def functional_dropout_always_on(script: Script) -> Iterator[Finding]:
    """A module applies `F.dropout` without telling it the mode.

    `F.dropout` drops out unless it is told `training=False`: it knows nothing of `model.eval()`.
    Every prediction of the finished model is disturbed at random.

    Silent where the call stands under a test of the mode, or is handed anything of it.

    Bad:
        import torch.nn.functional as F
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)

            def forward(self, x):
                return self.fc(F.dropout(x, 0.5))  # TRN306
    Good:
        import torch.nn.functional as F
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)

            def forward(self, x):
                return self.fc(F.dropout(x, 0.5, training=self.training))

    Fix safety: the fix hands over `self.training`. It changes what the model does in evaluation
    mode, which is its purpose: it is unsafe.
    Source: the documentation of torch.nn.functional.dropout (`training`, by default True).
    """
    methods = methods_of_modules(script)
    for event in script.events("call"):
        if event.callee not in _DROPOUTS or event.site.script is not script or event.starred:
            continue
        method = method_around(event, methods)
        if method is not None and not _is_told(event):
            yield found(
                event.site,
                f"`{event.callee.rpartition('.')[2]}` is not told the mode: it drops out in"
                " evaluation mode as well",
                hint="hand over `training=self.training`, or make it an `nn.Dropout`",
                fix=_fix(script, event, method),
            )


def _is_told(event: Event) -> bool:
    if event.argument(2, "training") is not None or asks_for_mode(event):
        return True
    p = event.argument(1, "p")
    options = options_of(p.value) if p is not None else ()
    return any(isinstance(one, Const) and one.value in (0, 0.0) for one in options)


def _fix(script: Script, event: Event, method: cst.FunctionDef) -> Fix | None:
    call = event.site.node
    if event.functions[-1] is not method or not isinstance(call, cst.Call) or not call.args:
        return None
    first = next(parameters(method.params), None)
    last = call.args[-1]
    if first is None or isinstance(last.comma, cst.Comma):
        return None
    text = script.module.code_for_node(last.value)
    name = f"{last.keyword.value}=" if last.keyword is not None else ""
    node = last if name else last.value
    edit = script.edit(node, f"{name}{text}, training={first.name.value}.training")
    return None if edit is None else Fix("Hand over the mode", (edit,), safe=False)
