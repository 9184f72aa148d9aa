"""TRN710."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import options_of
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule


@rule("TRN710", Severity.ERROR, needs=(b"state_dict()",))
def best_weights_alias(script: Script) -> Iterator[Finding]:
    """The best weights are kept as `model.state_dict()`, which goes on changing with the model.

    `state_dict()` holds the parameters themselves. What is kept of the best epoch is, at the end,
    the weights of the last one.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        best, best_loss = None, 1e9
        for batch in torch.randn(5, 8, 4):
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            if loss.item() < best_loss:
                best_loss, best = loss.item(), model.state_dict()  # TRN710
        model.load_state_dict(best)

    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        import copy

        best, best_loss = None, 1e9
        for batch in torch.randn(5, 8, 4):
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
            if loss.item() < best_loss:
                best_loss, best = loss.item(), copy.deepcopy(model.state_dict())
        model.load_state_dict(best)

    Source: the PyTorch tutorial "Saving and Loading Models" (`model.state_dict()` "returns a
    reference to the state and not its copy").
    """
    for trace in script.traces:
        taken = {e.result: e for e in trace.events if e.kind == "state" and e.loops}
        for event in trace.events:
            if event.kind not in ("load", "save") or not event.args:
                continue
            for option in options_of(event.args[0].value):
                state = taken.get(option)
                if state is not None and _trained_after(trace, state, event):
                    del taken[option]
                    yield found(
                        state.site,
                        f"`{state.receiver_text}.state_dict()` is kept, but it holds the live"
                        " weights: training goes on to change it",
                        related=[(event.site, "here it is the last state, not the best one")],
                        hint="keep a copy: `copy.deepcopy(….state_dict())`, or save it at once",
                    )


def _trained_after(trace: Trace, state: Event, use: Event) -> bool:
    """Whether the loop that keeps the state goes on to train, before it is used outside."""
    loop = state.loops[-1]
    if loop in use.loops or not state.conditions:
        return False
    return any(e.kind == "step" and loop in e.loops for e in trace.events)
