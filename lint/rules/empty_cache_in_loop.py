"""TRN915."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule


@rule("TRN915", Severity.INFO, needs=(b"empty_cache",))
def empty_cache_in_loop(script: Script) -> Iterator[Finding]:
    """The GPU's memory cache is emptied in each pass of the training loop.

    `torch.cuda.empty_cache()` gives memory back that PyTorch keeps for the next tensors. It frees
    nothing that is in use, and the next pass has to ask for all of it again, which is slow and
    waits for the GPU.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4).cuda():
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            torch.cuda.empty_cache()  # TRN915
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(20, 8, 4).cuda():
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

    Source: the documentation of torch.cuda.empty_cache, and the PyTorch notes "CUDA semantics",
    section "Memory management".
    """
    for trace in script.traces:
        for event in trace.events:
            if event.callee == "torch.cuda.empty_cache" and _each_pass(trace, event):
                yield found(
                    event.site,
                    "the memory cache is emptied in each pass: the next one asks for all of it"
                    " again",
                    related=[(event.loops[-1].heading, "the loop")],
                    hint="leave it out: it frees nothing that is in use",
                )


def _each_pass(trace: Trace, event: Event) -> bool:
    if not event.loops:
        return False
    if any(condition.depth >= len(event.loops) for condition in event.conditions):
        return False
    loop = event.loops[-1]
    return any(one.kind == "backward" and one.loops[-1:] == (loop,) for one in trace.events)
