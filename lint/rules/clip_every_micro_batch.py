"""TRN206."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding, Severity
from trainlint.lint.clipping import clips, concerns, is_step, only_measures
from trainlint.lint.model import Condition, Event, Script
from trainlint.lint.passes import Pass, exclusive, extra, implied, may_train, outcomes, pass_of
from trainlint.lint.rule import found, rule


@rule("TRN206", Severity.WARNING, needs=(b"clip_grad",), confidence=Confidence.MEDIUM)
def clip_every_micro_batch(script: Script) -> Iterator[Finding]:
    """Gradients that add up over several micro-batches are clipped after each of them.

    With gradient accumulation `.grad` holds the sum of all micro-batches so far. Clipped after
    each, the sum is cut back again and again before the rest is added: the first micro-batches
    count less than the last, and the step is not the clipped step of the large batch.

    Found where the step stands under a modulo test in the loop, and the clipping does not. Off by
    default: training goes on, and where the limit is seldom reached the difference is small.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for i in range(12):
            loss = model(torch.randn(8, 4)).square().mean() / 4
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN206
            if i % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for i in range(12):
            loss = model(torch.randn(8, 4)).square().mean() / 4
            loss.backward()
            if i % 4 == 3:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()

    Source: the documentation of torch.nn.utils.clip_grad_norm_; the PyTorch notes "Automatic Mixed
    Precision examples", section "Gradient accumulation", which unscales and clips once all
    gradients have been added up.
    """
    for trace, clip in clips(script):
        pass_ = pass_of(trace, clip)
        if pass_.cycle is None or only_measures(clip):
            continue
        step, tests = _periodic_step(pass_, clip)
        if step is not None and _follows_backward(pass_, clip):
            yield _finding(clip, step, tests)


def _periodic_step(pass_: Pass, clip: Event) -> tuple[Event | None, list[Condition]]:
    for event in pass_.after(clip, around=False):
        if exclusive(event, clip):
            continue
        if is_step(event, pass_) and concerns(clip, event.receiver, pass_):
            tests = [one for one in extra(event, clip) if one.periodic]
            fits = outcomes(clip) <= outcomes(event) and event.loops == clip.loops
            return (event, tests) if fits and tests else (None, [])
        if event.kind in ("backward", "zero_grad") or may_train(event):
            return None, []
    return None, []


def _follows_backward(pass_: Pass, clip: Event) -> bool:
    for event in pass_.before(clip, around=False):
        if exclusive(event, clip):
            continue
        if event.kind == "backward":
            return implied(event, clip) and event.loops == clip.loops
        if event.kind in ("step", "zero_grad"):
            return False
    return False


def _finding(clip: Event, step: Event, tests: list[Condition]) -> Finding:
    test = tests[0].site
    return found(
        clip.site,
        "gradients are clipped after each micro-batch, while they still add up to the step's",
        related=[(step.site, f"the step comes only when `{test.text}`")],
        hint="clip under the same test, just before the step",
    )
