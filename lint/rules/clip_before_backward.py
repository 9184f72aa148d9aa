"""TRN203."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.clipping import Surroundings, clips, is_step, only_measures, surroundings
from trainlint.lint.model import Event, Script
from trainlint.lint.passes import exclusive
from trainlint.lint.rule import found, rule


@rule("TRN203", Severity.WARNING, needs=(b"clip_grad",))
def clip_before_backward(script: Script) -> Iterator[Finding]:
    """Gradients are clipped before `backward()` makes them, and the step takes them unclipped.

    Clipping bounds the gradients that stand in `.grad` at that moment. Before `backward()` they
    are cleared, or left over from a step that has used them: what the next step takes is made
    afterwards, and nothing bounds it.

    Nothing is said where gradients may be kept for the next step, where the limit is infinite and
    the call only measures, or where code that cannot be seen stands in between.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN203
            loss.backward()
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
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    Source: the documentation of torch.nn.utils.clip_grad_norm_, which modifies gradients in
    place.
    """
    for trace, clip in clips(script):
        around = None if only_measures(clip) else surroundings(trace, clip)
        backward = _next_backward(around) if around is not None else None
        if around is not None and backward is not None:
            yield _finding(around, backward)


def _next_backward(around: Surroundings) -> Event | None:
    """The backward that comes later in the same pass, if what is clipped was cleared or will be."""
    clip, pass_ = around.clip, around.pass_
    cleared = around.before.kind == "zero_grad" and around.after.kind == "backward"
    used = around.before.kind == "step" and around.after.kind == "zero_grad"
    if not (cleared or used):
        return None
    later = [one for one in pass_.after(clip, around=False) if not exclusive(one, clip)]
    backward = next((one for one in later if one.kind == "backward"), None)
    earlier = [one.kind for one in pass_.before(clip, around=False)]
    if backward is None or "backward" in earlier:
        return None
    stepped = any(is_step(one, pass_) for one in later[later.index(backward) :])
    return backward if stepped else None


def _finding(around: Surroundings, backward: Event) -> Finding:
    return found(
        around.clip.site,
        "gradients are clipped before `backward()` makes them: the step takes them unclipped",
        related=[
            (around.before.site, "before the call they are cleared or used up"),
            (backward.site, "here the gradients are made that the step takes"),
        ],
        hint="move it between `backward()` and `step()`",
    )
