"""TRN112."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Frame
from trainlint.lint.model import Script
from trainlint.lint.recurrence import Carried, carried_with_graph
from trainlint.lint.rule import found, rule


@rule("TRN112", Severity.ERROR, needs=(b"backward(",))
def hidden_state_carried(script: Script) -> Iterator[Finding]:
    """A recurrent state goes into the next pass of the loop with the graph of the last.

    The second `backward()` goes back through the state into the graph of the pass before, which the
    first has freed: "Trying to backward through the graph a second time". With `retain_graph=True`
    it meets weights that the optimizer has changed since, and fails as well.

    Nothing is said where the state is detached or made anew on any path, where unseen code is
    handed it, where some passes run no backward, or where parameters are frozen.

    Bad:
        import torch
        from torch import nn

        rnn = nn.LSTM(4, 8, batch_first=True)
        optimizer = torch.optim.SGD(rnn.parameters(), lr=0.1)
        state = None
        for batch in torch.randn(5, 2, 7, 4):
            output, state = rnn(batch, state)
            loss = output.square().mean()
            optimizer.zero_grad()
            loss.backward()  # TRN112
            optimizer.step()

    Good:
        import torch
        from torch import nn

        rnn = nn.LSTM(4, 8, batch_first=True)
        optimizer = torch.optim.SGD(rnn.parameters(), lr=0.1)
        state = None
        for batch in torch.randn(5, 2, 7, 4):
            output, state = rnn(batch, state)
            state = tuple(part.detach() for part in state)
            loss = output.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    Source: the PyTorch examples' word_language_model, which detaches the state before each batch,
    and the documentation of torch.Tensor.backward, on `retain_graph`.
    """
    for one in carried_with_graph(script):
        yield _finding(one)


def _finding(one: Carried) -> Finding:
    own = "" if isinstance(one.carry.owner, Frame) else "the attribute "
    name = f"{own}`{one.carry.name}`"
    effect = (
        "the graph that is retained holds weights that the step has changed"
        if one.retained
        else "that graph is freed by then"
    )
    return found(
        one.backward.site,
        f"from the second pass on, this goes back through {name} into the graph of the pass"
        f" before: {effect}, and the call fails",
        related=[(one.loop.heading, f"the loop that carries {name} on")],
        hint=f"detach {name} once in each pass, `.detach()` on each of its tensors",
    )
