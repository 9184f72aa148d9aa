"""TRN107."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autograd import Autograd, alternatives
from trainlint.lint.leaving import caught
from trainlint.lint.lower.values import Bound, Expr, Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule


@rule("TRN107", Severity.ERROR, needs=(b"backward(",))
def loss_cut_from_graph(script: Script) -> Iterator[Finding]:
    """`backward()` is called on a loss whose graph was cut on the way from the model.

    `.item()`, `.detach()`, `.data`, `.numpy()`, `float()`, `argmax`, a comparison and
    `torch.tensor(…)` give numbers without a graph. Where the loss is made of nothing else,
    `backward()` fails with "element 0 of tensors does not require grad"; and where the loss is
    made anew with `requires_grad=True`, it runs, and no parameter gets a gradient.

    Nothing is said where anything else that the loss is made of may take a gradient.

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

    Source: the documentation of torch.Tensor.detach and torch.tensor (it copies data, and has no
    autograd history).
    """
    autograd = Autograd(script)
    for trace in script.traces:
        for event in trace.events:
            if event.kind != "backward":
                continue
            cuts = [autograd.cuts(one) for one in alternatives(trace, event)]
            if all(cuts) and not caught(event):
                yield _finding(trace, event, cuts[0][0])


def _finding(trace: Trace, event: Event, cut: Value) -> Finding:
    made_anew = cut is event.receiver and isinstance(cut, Obj) and "requires_grad" in cut.kwargs
    related = []
    if isinstance(cut, Obj) and cut.site is not None:
        related.append((cut.site, "the graph is cut here"))
    step = _step_after(trace, event)
    if made_anew and step is not None:
        related.append((step.site, "this step finds no gradients"))
    effect = "no parameter gets a gradient" if made_anew else "the call fails"
    return found(
        event.site,
        f"no graph leads from this loss back to the model, since {_name(cut)} gives numbers"
        f" without one: {effect}",
        related=related,
        hint="compute the loss from the model's output itself",
    )


def _step_after(trace: Trace, event: Event) -> Event | None:
    later = trace.events[trace.events.index(event) :]
    return next((e for e in later if e.kind == "step" and e.loops == event.loops), None)


def _name(cut: Value) -> str:
    """How the operation is written."""
    if isinstance(cut, Bound):
        return f"`.{cut.name}`"
    if isinstance(cut, Expr):
        return f"`{cut.op.removeprefix('builtins.')}()`" if "builtins" in cut.op else "a comparison"
    name = cut.qualname if isinstance(cut, Obj) else ""
    owner, _, last = name.rpartition(".")
    return f"`.{last}()`" if owner == "Tensor" else f"`{name}()`"
