"""TRN107."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Script
from trainlint.lint.outputs import related_to, surely
from trainlint.lint.rule import found, rule


@rule("TRN107", needs=(b"backward(",))
def loss_rebuilt(script: Script) -> Iterator[Finding]:
    """`backward()` is called on a tensor made anew from the loss: the graph ends there.

    `torch.tensor(loss, requires_grad=True)` and `Variable(loss.data, …)` make a new leaf with the
    loss's number. Its gradient is 1, and no parameter gets any: training runs and learns nothing.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss = torch.tensor(loss, requires_grad=True)
            loss.backward()  # TRN107
            optimizer.step()

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.tensor (it copies data, and has no autograd history).
    """
    for event in script.events("backward"):
        made = surely(event.receiver, *_ANEW)
        if made is not None and made.args and _is_computed(made.args[0]):
            yield found(
                event.site,
                f"`backward()` starts from a tensor that `{made.name}` makes anew: no parameter"
                " gets a gradient",
                related=related_to(made, "the graph is cut here"),
                hint="call `backward()` on the loss itself",
            )


def _is_computed(value: Value) -> bool:
    """Whether a module or a loss had part in it."""
    return any(isinstance(one, Obj) and one.kind in ("module", "loss") for one in ancestors(value))


_ANEW = ("tensor", "as_tensor", "Variable", "FloatTensor", "from_numpy")
