"""TRN906."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Event, Loop, Script, Trace
from trainlint.lint.rule import found, rule
from trainlint.lint.training import reads

_SEEDS = (
    "torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all",
    "torch.random.manual_seed", "random.seed", "numpy.random.seed",
)  # fmt: skip
_RANDOM = re.compile(
    r"^(torch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial)(_like)?"
    r"|numpy\.random\.(?!seed)\w+|random\.(?!seed)\w+|torch\.nn\.functional\.(\w*_)?dropout\w*)$"
)
# Here each iteration draws the same on purpose: on all processes, or after a state put back.
_ON_PURPOSE = (b"torch.distributed", b"rng_state", b"fork_rng", b"getstate", b"get_state")


@rule("TRN906", Severity.WARNING, needs=(b"seed",))
def seed_in_batch_loop(script: Script) -> Iterator[Finding]:
    """The random generator is set to the same seed in each pass of the training loop.

    All that is drawn in a pass begins at the same number then: the same noise, the same dropout
    masks, the same augmentation for each batch. What should average out over the passes is always
    the same.

    Found where the seed does not vary, the loop itself trains, and something random is drawn in
    it. Nothing is said where each pass makes its own optimizer (a run for each seed or fold), in a
    distributed script, whose processes may have to draw alike, or where states of the generator
    are kept and put back.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(100):
            torch.manual_seed(0)  # TRN906
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        torch.manual_seed(0)
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()

    Source: the PyTorch notes "Reproducibility": the generator is seeded once, for the whole run.
    """
    if reads(script, *_ON_PURPOSE):
        return
    for trace in script.traces:
        for event in trace.events:
            if event.callee in _SEEDS and event.loops and event.args:
                loop = event.loops[-1]
                if _stands_still(event, loop) and _trains(trace, loop) and _draws(trace, event):
                    yield _finding(event, loop)


def _stands_still(event: Event, loop: Loop) -> bool:
    """Whether the same seed is set in each pass."""
    if any(condition.depth >= len(event.loops) for condition in event.conditions):
        return False
    varies = event.args[0].value.varies
    return varies is not None and loop not in varies and not loop.leaves_at_once


def _trains(trace: Trace, loop: Loop) -> bool:
    """Whether a loop's own passes call backward and step, for one and the same optimizer."""
    inside = [event for event in trace.events if event.loops and event.loops[-1] is loop]
    kinds = {event.kind for event in inside}
    return "backward" in kinds and "step" in kinds and "make" not in kinds


def _draws(trace: Trace, seed: Event) -> bool:
    """Whether anything random is drawn after the seed in its pass."""
    loop = seed.loops[-1]
    for event in trace.events[trace.events.index(seed) + 1 :]:
        if loop in event.loops and _RANDOM.match(event.callee):
            return True
    return any(event.callee.startswith("torch.nn.Dropout") for event in trace.events)


def _finding(event: Event, loop: Loop) -> Finding:
    return found(
        event.site,
        f"`{event.site.text}` sets the same seed in each pass of the loop: each batch gets the"
        " same random numbers",
        related=[(loop.heading, "the loop that trains")],
        hint="seed once, before the loop",
    )
