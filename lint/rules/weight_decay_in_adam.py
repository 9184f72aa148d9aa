"""TRN515."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Const, Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import given, is_torch_optimizer, made_optimizers, number
from trainlint.lint.rule import found, rule


@rule("TRN515", Severity.INFO, needs=(b"Adam",))
def weight_decay_in_adam(script: Script) -> Iterator[Finding]:
    """Adam is given a weight decay, which it applies as an L2 penalty.

    Adam's `weight_decay` adds to the gradient, and is then scaled by the same running averages: it
    decays least what has large gradients. AdamW decays the weights themselves, and generalizes
    better in the comparison of its authors.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=0.01)  # TRN515
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.01)

    Fix safety: AdamW trains otherwise than Adam, and its decay may need another value: the fix is
    unsafe.
    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """
    for event in made_optimizers(script):
        made = event.result
        if isinstance(made, Obj) and is_torch_optimizer(made, "Adam") and _decays(made):
            yield found(
                event.site,
                "Adam's `weight_decay` is an L2 penalty, scaled as the gradients are; AdamW decays"
                " the weights themselves",
                hint="use `torch.optim.AdamW`, and choose its `weight_decay` anew",
                fix=_fix(script, event),
            )


def _decays(made: Obj) -> bool:
    if "decoupled_weight_decay" in made.kwargs:
        return False
    decay = number(given(made, 4, "weight_decay"))
    amsgrad = made.kwargs.get("amsgrad")
    return bool(decay) and not (isinstance(amsgrad, Const) and amsgrad.value)


def _fix(script: Script, event: Event) -> Fix | None:
    text = event.site.text
    name, _, rest = text.partition("(")
    if not name.endswith(".Adam"):
        return None  # a name of its own: its import would have to change too
    edit = script.edit(event.site.node, f"{name}W({rest}")
    return None if edit is None else Fix("Use AdamW", (edit,), safe=False)
