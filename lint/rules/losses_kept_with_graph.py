"""TRN709."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.syntax import children, dotted
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule


@rule("TRN709", needs=(b"+=",))
def losses_kept_with_graph(script: Script) -> Iterator[Finding]:
    """Losses are summed up over a loop with the graphs that they were computed by.

    A sum of loss tensors keeps the graph of each: memory grows from batch to batch, until it runs
    out. `loss.item()` is the number alone.

    Nothing is said where the sum is itself trained on, under `no_grad`, or where it begins anew
    within the loop.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total = 0
        for batch in torch.randn(5, 8, 4):
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            total += loss  # TRN709

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        total = 0
        for batch in torch.randn(5, 8, 4):
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()

    Fix safety: the fix adds `.item()`; the sum is a Python number then, and no tensor.
    Source: the PyTorch FAQ, "My model reports cuda runtime error(2): out of memory" ("don't
    accumulate history across your training loop").
    """
    for trace in script.traces:
        trained = {id(e.receiver) for e in trace.events if e.kind == "backward"}
        for event in trace.events:
            adds = event.kind == "augment" and event.callee == "+" and event.loops
            if adds and id(event.args[0].value) in trained and _keeps(trace, event):
                yield _finding(script, event)


def _keeps(trace: Trace, event: Event) -> bool:
    """Whether the sum lives on from pass to pass of the loop, and nothing trains on it."""
    if event.within("torch.no_grad", "torch.inference_mode") or ".data" in event.receiver_text:
        return False
    loop = event.loops[-1]
    before = event.receiver
    if before.varies is not None and loop not in before.varies:
        return False  # made anew in each pass
    name = event.receiver_text
    if any(_begins_anew(node, name) for node in _inside(loop.site.node)):
        return False
    backwards = [e for e in trace.events if e.kind == "backward"]
    return not any(event.result in set(ancestors(e.receiver)) for e in backwards)


def _inside(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for child in children(node):
        yield child
        yield from _inside(child)


def _begins_anew(node: cst.CSTNode, name: str) -> bool:
    """`total = 0`, or anything else that is assigned to it."""
    return isinstance(node, cst.Assign) and any(
        dotted(target.target) == name for target in node.targets
    )


def _finding(script: Script, event: Event) -> Finding:
    loss = event.args[0]
    fix = None
    if event.site.script is script and loss.text.isidentifier():
        edit = script.edit(loss.site.node, f"{loss.text}.item()")
        fix = None if edit is None else Fix(f"Add `{loss.text}.item()`", (edit,), safe=False)
    return found(
        event.site,
        f"`{event.receiver_text}` sums up losses with their graphs: memory grows in each pass",
        related=[(event.loops[-1].heading, "the loop")],
        hint=f"add the number: `{event.receiver_text} += {loss.text}.item()`",
        fix=fix,
    )
