"""TRN202."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.clipping import Surroundings, clips, only_measures, surroundings
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN202", Severity.WARNING, needs=(b"clip_grad",))
def clip_after_step(script: Script) -> Iterator[Finding]:
    """Gradients are clipped after the step that used them, and cleared before the next one.

    Clipping bounds the gradients that stand in `.grad` at that moment. After `step()` they have
    moved the weights already, and `zero_grad()` throws them away before anything else reads them:
    no update of the whole training is ever clipped.

    Nothing is said where the step or the clearing is not sure to happen in each pass (gradient
    accumulation), where gradients may be kept for the next step, where the limit is infinite and
    the call only measures, or where code that cannot be seen stands in between.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            optimizer.step()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN202
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
    place; the PyTorch examples' word_language_model, for where it stands.
    """
    for trace, clip in clips(script):
        around = None if only_measures(clip) else surroundings(trace, clip)
        if around is not None and _is_late(around):
            yield _finding(around)


def _is_late(around: Surroundings) -> bool:
    """After the step and cleared next, or cleared already, in a pass whose step comes before."""
    pass_, clip = around.pass_, around.clip
    earlier = [one.kind for one in pass_.before(clip, around=False)]
    if "step" not in earlier:
        return False
    if around.before.kind == "step":
        return around.after.kind == "zero_grad"
    since = earlier[: earlier.index("step")]
    cleared = around.before.kind == "zero_grad" and around.after.kind in ("backward", "zero_grad")
    return cleared and "backward" in earlier and "forward" not in since


def _finding(around: Surroundings) -> Finding:
    step = next(one for one in around.pass_.before(around.clip) if one.kind == "step")
    cleared = around.after if around.after.kind == "zero_grad" else around.before
    return found(
        around.clip.site,
        "gradients are clipped after the step that used them, and cleared before the next one:"
        " the clipping does nothing",
        related=[
            (step.site, "here the gradients are used, not clipped"),
            (cleared.site, "and here they are thrown away"),
        ],
        hint="move it between `backward()` and `step()`",
    )
