"""TRN308."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Event, Script
from trainlint.lint.own_modules import asks_for_mode, method_around, methods_of_modules
from trainlint.lint.rule import found, rule


@rule("TRN308", needs=(b"scaled_dot_product_attention",))
def sdpa_dropout_always_on(script: Script) -> Iterator[Finding]:
    """A module's attention drops out in evaluation mode too.

    `scaled_dot_product_attention` is a function: it drops out with `dropout_p` whatever the mode,
    as its documentation warns. Reported where the number is surely above 0 and no test of the mode
    stands around it.

    Bad:
        import torch.nn.functional as F
        from torch import nn

        class Attention(nn.Module):
            def forward(self, q, k, v):
                return F.scaled_dot_product_attention(q, k, v, dropout_p=0.1)  # TRN308
    Good:
        import torch.nn.functional as F
        from torch import nn

        class Attention(nn.Module):
            def forward(self, q, k, v):
                p = 0.1 if self.training else 0.0
                return F.scaled_dot_product_attention(q, k, v, dropout_p=p)

    Source: the documentation of torch.nn.functional.scaled_dot_product_attention (its warning on
    dropout).
    """
    methods = methods_of_modules(script)
    for event in script.events("call"):
        if not event.callee.endswith(".scaled_dot_product_attention"):
            continue
        if event.site.script is not script or method_around(event, methods) is None:
            continue
        if _always_drops(event) and not asks_for_mode(event):
            yield found(
                event.site,
                "this attention drops out in evaluation mode as well",
                hint="use `dropout_p=… if self.training else 0.0`",
            )


def _always_drops(event: Event) -> bool:
    p = event.argument(4, "dropout_p")
    number = p.value.value if p is not None and isinstance(p.value, Const) else None
    return isinstance(number, (int, float)) and number > 0
