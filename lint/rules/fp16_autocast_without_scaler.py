"""TRN214."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.autocast import autocast_around, is_half
from trainlint.lint.graph import ancestors
from trainlint.lint.model import Context, Event, Script
from trainlint.lint.passes import Pass, exclusive, pass_of
from trainlint.lint.rule import found, rule
from trainlint.lint.training import is_optimizer, reads

# Another scaler, or code that scales: apex, a home-made factor, a framework's.
_SCALES = (b"caler", b"scale_loss", b"loss_scale", b"lossscale", b"set_autocast", b"deepspeed",
           b"accelerat")  # fmt: skip


@rule("TRN214", Severity.WARNING, needs=(b"autocast",))
def fp16_autocast_without_scaler(script: Script) -> Iterator[Finding]:
    """A model trains under float16 autocast, and no GradScaler scales its loss.

    Gradients of float16 operations are float16 as well: those below some 3e-8 become zero, and the
    layers they belong to stop learning. A GradScaler multiplies the loss so that they stay
    representable, and divides the gradients before the step.

    `torch.autocast("cuda")` and `torch.cuda.amp.autocast()` use float16 unless they are told
    otherwise. Nothing is said of bfloat16, which has the range of float32, of a device or type
    that is not known, of autocast that is switched off, of forward passes that are not trained,
    or where a scaler of any kind is mentioned in the script or in the files that it imports.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            loss.backward()  # TRN214
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            loss.backward()
            optimizer.step()

    Source: the documentation of torch.amp, section "Gradient Scaling"; Micikevicius et al., "Mixed
    Precision Training" (2018).
    """
    if reads(script, *_SCALES):
        return
    for trace in script.traces:
        for backward in trace.events:
            if backward.kind != "backward" or backward.callee != "backward":
                continue
            pass_ = pass_of(trace, backward)
            context = _half_precision(pass_, backward)
            step = _step(pass_, backward) if context is not None else None
            if context is not None and step is not None:
                yield _finding(backward, context, step)


def _half_precision(pass_: Pass, backward: Event) -> Context | None:
    """The float16 autocast under which a loss was computed."""
    made = set(ancestors(backward.receiver, frozenset({"Tensor.detach"})))
    for event in pass_.before(backward, around=False):
        computes = event.kind == "forward" or event in pass_.computing
        if event.within("torch.no_grad", "torch.inference_mode") is not None:
            continue
        if computes and not exclusive(event, backward) and event.result in made:
            context = autocast_around(event)
            if context is not None and is_half(context):
                return context
    return None


def _step(pass_: Pass, backward: Event) -> Event | None:
    for event in pass_.after(backward, around=False):
        if event.kind == "step" and not exclusive(event, backward):
            return event if is_optimizer(event.receiver) and event.scaler is None else None
    return None


def _finding(backward: Event, context: Context, step: Event) -> Finding:
    loss = backward.receiver_text or "the loss"
    return found(
        backward.site,
        f"`{loss}` is computed under float16 autocast, and no GradScaler scales it: small gradients"
        " become zero",
        related=[
            (context.site, "this computes in float16"),
            (step.site, "and this steps along what is left of the gradients"),
        ],
        hint="use a `torch.amp.GradScaler`, or `dtype=torch.bfloat16`",
    )
