"""TRN513."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.holding import is_private
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.optimizers import given, is_torch_optimizer, number
from trainlint.lint.rule import found, rule

# Where each scheduler takes the factor by which it multiplies the rate.
_GAMMA = {"StepLR": 2, "MultiStepLR": 2, "ExponentialLR": 1}
_SETS_RATES = ("param_groups", "OneCycleLR", "CyclicLR", "SequentialLR", "load_state_dict")


@rule("TRN513", needs=(b"gamma", b"lr=0", b"lr = 0", b"ExponentialLR"))
def zero_learning_rate(script: Script) -> Iterator[Finding]:
    """A learning rate, or the factor of a schedule, is the constant 0.

    With `gamma=0` the first decay sets the learning rate to 0, and with `lr=0` it is 0 from the
    start: the script runs on, and nothing is learned any more.

    A rate of 0 is reported only for an optimizer that steps in a loop and whose rate nothing else
    sets: `param_groups`, a cyclic schedule, a rate of a group's own, or code that cannot be seen.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0)  # TRN513
        for epoch in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)
        for epoch in range(10):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            scheduler.step()

    Source: the documentation of torch.optim.lr_scheduler.ExponentialLR and StepLR on `gamma`.
    """
    scheduled = {event.receiver for event in script.events("schedule") if event.loops}
    stepped = {event.receiver for event in script.events("step") if event.loops}
    for event in script.events("make"):
        made = event.result
        if not isinstance(made, Obj) or event.site.script is not script or made.cls is not None:
            continue
        if made in scheduled and _zero_gamma(made):
            yield _decayed_to_nothing(event)
        elif made in stepped and _zero_rate(script, event, made):
            yield found(
                event.site,
                "the learning rate is 0, and nothing here changes it: the steps change nothing",
                hint="give the optimizer a learning rate above 0",
            )


def _zero_gamma(made: Obj) -> bool:
    module, _, name = made.qualname.rpartition(".")
    if module != "torch.optim.lr_scheduler" or name not in _GAMMA:
        return False
    return number(given(made, _GAMMA[name], "gamma")) == 0


def _decayed_to_nothing(event: Event) -> Finding:
    name = event.callee.rpartition(".")[2]
    return found(
        event.site,
        f"`gamma` is 0: the first decay of this {name} sets the learning rate to 0, and nothing is"
        " learned after it",
        hint="use a factor between 0 and 1, such as 0.1 or 0.95",
    )


def _zero_rate(script: Script, event: Event, made: Obj) -> bool:
    if not is_torch_optimizer(made) or number(given(made, 1, "lr")) != 0:
        return False
    source = given(made, 0, "params")
    plain = isinstance(source, Obj) and source.kind == "parameters"
    if not plain or any(word in script.source.code for word in _SETS_RATES):
        return False
    return is_private(script, event)
